package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// engineSays is how the client begins what the engine has answered.
const engineSays = "Error response from daemon: "

// IsNotFound reports whether an error says that what was named is not there.
func IsNotFound(err error) bool { return errdefs.IsNotFound(err) }

// IsConflict reports whether an error says that a name is taken, or that the thing is
// in use.
func IsConflict(err error) bool { return errdefs.IsConflict(err) }

// IsLost reports whether an error says that the engine cannot start a container because of
// what it was killed with and has left of it: it has to be made anew. Seen with 20.10.
func IsLost(err error) bool { return err != nil && lostContainer.MatchString(err.Error()) }

var lostContainer = regexp.MustCompile(`id already in use|task [0-9a-f]+: already exists`)

// ask puts one question to the engine: bounded in time, its failure in our words.
func ask[O, R any](ctx context.Context, e *Engine, limit time.Duration, what string, question func(context.Context, O) (R, error), options O) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := question(ctx, options)
	return answer, e.failed(ctx, what, err)
}

// about asks as ask does, for questions about something that has a name.
func about[O, R any](ctx context.Context, e *Engine, limit time.Duration, what string, question func(context.Context, string, O) (R, error), name string, options O) (R, error) {
	return ask(ctx, e, limit, what+" "+name, func(ctx context.Context, options O) (R, error) { return question(ctx, name, options) }, options)
}

// opening bounds how long a stream may take to begin, not how long it lasts: opened ends
// the bound.
func opening(ctx context.Context) (stream context.Context, opened func() bool, cancel context.CancelCauseFunc) {
	stream, cancel = context.WithCancelCause(ctx)
	return stream, time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) }).Stop, cancel
}

// failed says what could not be done, why, and what mends it. The context is the call's
// own, so that its deadline and an interrupt are told apart from the engine's words.
func (e *Engine) failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	said := strings.TrimPrefix(err.Error(), engineSays)
	cause := context.Cause(ctx)
	switch {
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("cannot %s: %w", what, cause)
	case cause != nil, errors.Is(err, context.DeadlineExceeded):
		return exit.Errorf(exit.Unavailable, "cannot %s: the Docker engine at %s %w; if `docker ps` is silent there, too, the engine hangs, or its host has no memory or disk left: %[4]s", what, e.host, plain{"did not answer in time", context.DeadlineExceeded}, Restart)
	case client.IsErrConnectionFailed(err) && (strings.Contains(said, "permission denied") || errors.Is(err, os.ErrPermission)):
		return exit.Errorf(exit.NoPermission, "cannot %s: this user may not use %s (%s); `sudo usermod -aG docker $USER` and log in again, or use sudo", what, e.host, e.origin)
	case client.IsErrConnectionFailed(err), isBroken(err):
		return exit.Errorf(exit.Unavailable, "cannot %s: no Docker engine answers at %s (%s)%s", what, e.host, e.origin, e.reason(err))
	case driverAway(said):
		return exit.Errorf(exit.Unavailable, "cannot %s: %w; is the plugin of the volume's driver there? `docker plugin ls` says", what, plain{said, err})
	case strings.Contains(said, portAllocated):
		return fmt.Errorf("cannot %s: %w; %s", what, plain{said, err}, portLost)
	case hasAny(said, "non-overlapping IPv4 address pool", "address pools have been fully subnetted"):
		return fmt.Errorf("cannot %s: the Docker engine at %s has no range of addresses left for another network: remove networks that nothing uses (`docker network ls`), or give it more with default-address-pools in its daemon.json: %w", what, e.host, plain{said, err})
	case strings.Contains(said, "logging driver does not support reading"):
		return fmt.Errorf("cannot %s: %w: `logging` in compose.override.yml names a driver that keeps nothing here; local, json-file and journald do", what, plain{said, err})
	case unfitLogging(said):
		return fmt.Errorf("cannot %s: %w; %s", what, plain{said, err}, fitLogging)
	case strings.Contains(said, noSpace):
		return fmt.Errorf("cannot %s: the disk of the Docker engine at %s is full; %s: %w", what, e.host, makeRoom, plain{said, err})
	}
	return fmt.Errorf("cannot %s: %w", what, plain{said, err})
}

const (
	// Restart is what frees a port that an engine keeps for a container that it has lost:
	// killed while it starts one, it opens the container's ports again when it comes back,
	// without the container, and no request to it closes them (seen with 20.10).
	Restart = "restart it (sudo systemctl restart docker), which ends and starts again what runs in it"

	noSpace  = "no space left on device"
	makeRoom = "`tale cleanup` removes what is not needed, and `tale cleanup --dry-run` says how much that frees"

	fitLogging = "`logging` in compose.override.yml does not fit the engine's host: correct it, or take it out"

	portAllocated = "port is already allocated"
	portLost      = "where no container has that port (docker ps), the engine does, for one that it lost when it was killed: " + Restart
)

// unfitLogging reports whether the engine says that a container cannot log as it is to.
func unfitLogging(said string) bool {
	return hasAny(said, "initialize logging driver", "no log driver named", "unknown log opt")
}

// driverAway reports whether the engine says that the driver of a volume does not answer.
func driverAway(said string) bool {
	return hasAny(strings.ToLower(said), "error while checking if volume", "volume plugin")
}

// reason returns why no engine answers, as far as that is known, and what tells more.
func (e *Engine) reason(err error) string {
	said, why := err.Error(), ""
	if _, ssh, found := strings.Cut(said, "stderr="); found {
		why = strings.TrimSpace(ssh)
	} else if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		why = lookup.Err
	} else if operation, ok := errors.AsType[*net.OpError](err); ok {
		why = operation.Err.Error()
	} else if isBroken(err) {
		why = said
	}
	if why != "" {
		why = ": " + why
	}
	why += e.throughProxy()
	switch {
	case e.local:
		return why + "; is it running? `systemctl status docker` says"
	case strings.HasPrefix(e.host, "ssh://"):
		return why + "; is it running? `ssh " + e.host + " docker version` says"
	}
	return why + "; is it running, and does it listen there? `docker -H " + e.host + " version` says"
}

// throughProxy says that the engine is asked through a proxy of HTTP, which knows nothing of it as
// a rule; "" if it is not.
func (e *Engine) throughProxy() string {
	host, isTCP := strings.CutPrefix(e.host, "tcp://")
	scheme := "http"
	if e.secure {
		scheme = "https"
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: host}})
	if !isTCP || err != nil || proxy == nil {
		return ""
	}
	return fmt.Sprintf("; it was asked through the proxy %s (%s_PROXY), unless NO_PROXY names the engine's host", proxy.Host, strings.ToUpper(scheme))
}

// plain is an error in the engine's words without those of the client.
type plain struct {
	text  string
	cause error
}

func (p plain) Error() string { return p.text }
func (p plain) Unwrap() error { return p.cause }

// isBroken reports whether the connection to the engine ended in the middle; what the
// engine says of its own connections is no such thing.
func isBroken(err error) bool {
	if _, said := errors.AsType[*jsonstream.Error](err); err == nil || said || strings.HasPrefix(err.Error(), engineSays) {
		return false
	}
	return errors.Is(err, io.EOF) || hasAny(err.Error(), "unexpected EOF", "connection reset", "broken pipe", "use of closed network connection")
}

func hasAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// RegistryError is why a registry hands out nothing: it concerns all its images alike.
type RegistryError struct {
	Registry string
	error
}

func (e *RegistryError) Unwrap() error { return e.error }

// refused tells apart what a registry can mean. Engines pass its words on, with a status
// of their own that differs from version to version, so the words decide.
func (e *Engine) refused(ctx context.Context, image string, err error) error {
	if err == nil || ctx.Err() != nil || client.IsErrConnectionFailed(err) || isBroken(err) {
		return e.failed(ctx, "ask for the image "+image, err)
	}
	said := strings.TrimPrefix(err.Error(), engineSays)
	// A name is no reason, whatever it says.
	words := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(said, image, ""), Repository(image), ""))
	registry := Registry(image)
	all := func(code int, format string, args ...any) error {
		return &RegistryError{registry, exit.Errorf(code, format, args...)}
	}
	switch {
	case strings.Contains(words, noSpace):
		return e.failed(ctx, "pull "+image, err)
	case hasAny(words, "toomanyrequests", "too many requests", "rate limit"):
		return all(exit.Unavailable, "%s does not hand out %s now, too many requests (429): wait, or `docker login %s`: %s", registry, image, registry, said)
	case hasAny(words, "no matching manifest", "does not match the specified platform"):
		return exit.Errorf(exit.Config, "%s is not made for the engine's platform: %s; name a version that is", image, said)
	case hasAny(words, "unauthorized", "authentication required", "no basic auth", "incorrect username"):
		return all(exit.NoPermission, "%s wants a valid login for %s (401): `docker login %s`: %s", registry, image, registry, said)
	case hasAny(words, "denied", "forbidden", "insufficient_scope"):
		return exit.Errorf(exit.NoPermission, "%s does not let this login read %s, or it does not exist (403): `docker login %s` as one who may: %s", registry, image, registry, said)
	case hasAny(words, "manifest unknown", "manifest for", "name unknown", ": not found") || errdefs.IsNotFound(err):
		return exit.Errorf(exit.Config, "%s has no %s (404): check the version, or wait until its images are published: %s", registry, image, said)
	}
	return all(exit.Unavailable, "the engine cannot get %s from %s: %w; can its host reach %s?", image, registry, plain{said, err}, registry)
}

// Registry returns where an image comes from.
func Registry(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.Domain(named)
}
