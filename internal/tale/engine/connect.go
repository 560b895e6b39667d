package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/moby/moby/client"

	environ "github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	// patience is how long the engine may take for an answer that it has in memory.
	patience = 20 * time.Second
	// changing is the same for what makes it act: start, remove, connect.
	changing = 2 * time.Minute
	// oldest is the API of Docker 20.10.
	oldest = "1.41"
	// apiVersion is the variable by which an operator fixes the version of the API.
	apiVersion = "DOCKER_API_VERSION"
)

var versionForm = regexp.MustCompile(`^\d+\.\d+$`)

// Options say which engine, and what stands in for parts of the machine.
type Options struct {
	Host    string          // as DOCKER_HOST; "": that of Environ, of the docker context, the default
	Environ environ.Environ // nil: the process's
	Docker  string          // the docker command; "": the one in PATH
	Self    string          // a static binary of tale, for the helper; "": this one
}

// Engine is a connection to one Docker engine.
type Engine struct {
	api     *client.Client
	host    string // as a user would write it
	origin  string // what named the host: "DOCKER_HOST", `context "x"`, …
	local   bool
	secure  bool // asked over TLS
	options Options
	logins  *configfile.ConfigFile

	mu   sync.Mutex
	info Info // that was answered; it does not change while a command runs
}

// Connect finds the engine that the docker command would use and agrees with it on a
// version of the API.
func Connect(ctx context.Context, options Options) (*Engine, error) {
	if options.Environ == nil {
		options.Environ = environ.FromOS()
	}
	if asked := options.Environ[apiVersion]; asked != "" && !versionForm.MatchString(asked) {
		return nil, exit.Errorf(exit.Config, "%s is %q; accepted: a version such as %s, or better none, and tale agrees on one with the engine", apiVersion, asked, oldest)
	}
	e := &Engine{options: options}
	settings, err := e.find()
	if err != nil {
		err = exit.Errorf(exit.Config, "cannot find the Docker engine: %w", err)
		if errors.Is(err, fs.ErrPermission) {
			err = exit.Errorf(exit.NoPermission, "%w; HOME, or DOCKER_CONFIG, may name the folder of another user", err)
		}
		return nil, err
	}
	e.local = strings.HasPrefix(e.host, "unix://")
	if e.api, err = client.New(settings...); err != nil {
		return nil, exit.Errorf(exit.Config, "cannot use the Docker engine at %s (%s): %w; accepted: unix:///PATH, tcp://HOST:PORT, ssh://USER@HOST", e.host, e.origin, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := e.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if asked := options.Environ[apiVersion]; err == nil && asked != "" && (older(asked, oldest) || older(answer.APIVersion, asked)) {
		return nil, exit.Errorf(exit.Config, "%s is %s, and the Docker engine at %s speaks up to API %s, tale from %s on: unset it, and they agree on one", apiVersion, asked, e.host, answer.APIVersion, oldest)
	}
	if older(answer.APIVersion, oldest) {
		return nil, exit.Errorf(exit.Unavailable, "the Docker engine at %s is too old: it speaks API %s, and tale needs %s (Docker 20.10) or newer; update it", e.host, answer.APIVersion, oldest)
	}
	if err = e.failed(ctx, "reach the engine", err); exit.Code(err) == exit.Failure && ctx.Err() == nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		err = exit.Errorf(exit.Unavailable, "%s; what is at %s (%s) is no Docker engine, or not well%s", first, e.host, e.origin, e.throughProxy())
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Close ends the idle connections.
func (e *Engine) Close() error { return e.api.Close() }

// Host returns the engine's address and what named it, for messages.
func (e *Engine) Host() (address, origin string) { return e.host, e.origin }

// find reads what the docker command reads, in its order.
func (e *Engine) find() ([]client.Opt, error) {
	env := e.options.Environ
	folder := cmp.Or(env["DOCKER_CONFIG"], filepath.Join(e.home(), ".docker"))
	logins, err := config.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", filepath.Join(folder, config.ConfigFileName), err)
	}
	e.logins = logins
	name := cmp.Or(env["DOCKER_CONTEXT"], logins.CurrentContext, "default")
	e.host, e.origin = e.options.Host, "as asked"
	if e.host == "" {
		e.host, e.origin = env["DOCKER_HOST"], "DOCKER_HOST"
	}
	if e.host == "" && name != "default" {
		return e.fromContext(filepath.Join(folder, "contexts"), name)
	}
	if e.host == "" {
		e.host, e.origin = client.DefaultDockerHost, "the default"
	}
	if strings.HasPrefix(e.host, "ssh://") {
		return e.overSSH()
	}
	settings := []client.Opt{client.WithAPIVersion(env[apiVersion])}
	if strings.HasPrefix(e.host, "tcp://") && env["DOCKER_TLS_VERIFY"] != "" {
		e.secure = true
		keys := cmp.Or(env["DOCKER_CERT_PATH"], folder)
		settings = append(settings, client.WithTLSClientConfig(filepath.Join(keys, "ca.pem"), filepath.Join(keys, "cert.pem"), filepath.Join(keys, "key.pem")))
	}
	return append(settings, client.WithHost(e.host)), nil
}

// home returns the user's folder, also where HOME is not set, as in a unit of systemd.
func (e *Engine) home() string {
	if home := e.options.Environ["HOME"]; home != "" {
		return home
	}
	self, err := user.Current()
	if err != nil {
		return "/"
	}
	return self.HomeDir
}

func (e *Engine) fromContext(folder, name string) ([]client.Opt, error) {
	endpoints := store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} })
	contexts := store.New(folder, store.NewConfig(func() any { return &map[string]any{} }, endpoints))
	metadata, err := contexts.GetMetadata(name)
	if err != nil {
		return nil, fmt.Errorf("%w; `docker context ls` lists those that there are", err)
	}
	meta, err := docker.EndpointFromContext(metadata)
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", name, err)
	}
	endpoint, err := docker.WithTLSData(contexts, name, meta)
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", name, err)
	}
	e.host, e.origin, e.secure = meta.Host, fmt.Sprintf("context %q", name), endpoint.TLSData != nil
	if strings.HasPrefix(e.host, "ssh://") {
		return e.overSSH()
	}
	return endpoint.ClientOpts()
}

// overSSH shares one connection to the host among all that the client opens: each is a
// process of ssh, and sshd admits only ten that are logging in.
func (e *Engine) overSSH() ([]client.Opt, error) {
	socket := filepath.Join(cmp.Or(e.options.Environ["XDG_RUNTIME_DIR"], filepath.Join(e.home(), ".ssh")), "tale-%C")
	helper, err := connhelper.GetConnectionHelperWithSSHOpts(e.host, []string{
		"-o", "ControlMaster=auto", "-o", "ControlPersist=10", "-o", "ControlPath=" + socket,
		"-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3", "-o", "ConnectTimeout=15",
	})
	if err != nil {
		return nil, err
	}
	dial := sshDialer(helper.Dialer)
	transport := &http.Transport{DialContext: dial, MaxIdleConns: 4, IdleConnTimeout: time.Minute}
	return []client.Opt{
		client.WithHTTPClient(&http.Client{Transport: transport}),
		client.WithHost(helper.Host), client.WithDialContext(dial),
		client.WithAPIVersion(e.options.Environ[apiVersion]),
	}, nil
}

// sshDialer returns a dialer whose connections say why ssh has ended.
func sshDialer(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if ssh, ok := conn.(halves); ok {
			conn = &sshConn{halves: ssh}
		}
		return conn, err
	}
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// halves is a connection whose sides are closed one by one, as the client does.
type halves interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// sshConn is a connection through ssh. Why that has ended is said once, to the one who reads;
// those who write, and those who read later, find a closed file.
type sshConn struct {
	halves
	reading sync.Mutex
	why     error
}

func (c *sshConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	n, err := c.halves.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case c.why == nil:
		c.why = err
	}
	return n, c.why
}

func (c *sshConn) Write(p []byte) (int, error) {
	n, err := c.halves.Write(p)
	if err != nil {
		if _, why := c.Read(make([]byte, 1)); why != nil {
			err = why
		}
	}
	return n, err
}

// Info asks the engine what it is, until it has answered once.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.info.ID != "" {
		return e.info, nil
	}
	asked := time.Now()
	answer, err := ask(ctx, e, patience, "ask the engine what it is", e.api.Info, client.InfoOptions{})
	if err != nil {
		return Info{}, err
	}
	info := answer.Info
	ahead := time.Duration(0)
	if its := instant(info.SystemTime); !its.IsZero() {
		ahead = its.Sub(asked.Add(time.Since(asked) / 2))
	}
	e.info = Info{
		ID: info.ID, Name: info.Name, Version: info.ServerVersion, API: e.api.ClientVersion(),
		OS: info.OSType, Arch: goArch(info.Architecture), Memory: info.MemTotal, CPUs: info.NCPU,
		Root: info.DockerRootDir, Rootless: strings.Contains(strings.Join(info.SecurityOptions, " "), "name=rootless"),
		Local: e.local, Ahead: ahead,
	}
	return e.info, nil
}

// Imitator returns what answers in the place of Docker's engine, and its version, or "":
// Podman's service has Docker's API, but its containers cannot be attached to before they
// start, which a lock needs (seen with 4.3.1).
func (e *Engine) Imitator(ctx context.Context) (string, error) {
	answer, err := ask(ctx, e, patience, "ask the engine for its version", e.api.ServerVersion, client.ServerVersionOptions{})
	if err != nil || len(answer.Components) == 0 || answer.Components[0].Name == "Engine" {
		return "", err
	}
	return answer.Components[0].Name + " " + answer.Components[0].Version, nil
}

// onThisHost reports whether the engine's files are this machine's: its socket may have
// been forwarded, or lead into a virtual machine.
func (i Info) onThisHost() bool {
	name, err := os.Hostname()
	return err == nil && i.Local && i.Name == name
}

// Direct returns where a port of a container can be reached from this process without the
// engine's help, "" where that cannot be known.
func (i Info) Direct(c Container, port int) string {
	if runtime.GOOS != "linux" || i.Rootless || !i.onThisHost() {
		return ""
	}
	for _, network := range slices.Sorted(maps.Keys(c.Addresses)) {
		if address := c.Addresses[network]; address != "" {
			return net.JoinHostPort(address, strconv.Itoa(port))
		}
	}
	return ""
}

// goArch translates what uname says.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return machine
}

// older compares versions like 1.41.
func older(version, than string) bool {
	if version == "" {
		return false
	}
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range min(len(a), len(b)) {
		x, _ := strconv.Atoi(a[i])
		y, _ := strconv.Atoi(b[i])
		if x != y {
			return x < y
		}
	}
	return len(a) < len(b)
}
