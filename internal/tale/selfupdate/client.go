package selfupdate

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	connectWithin = 15 * time.Second
	answerWithin  = 30 * time.Second
	// stallAfter is how long a download may bring nothing before it is begun again from
	// where it is.
	stallAfter = 30 * time.Second
	// wholeWithin bounds a download that brings a byte now and then.
	wholeWithin = time.Hour
	// tries is how often in a row an attempt may bring nothing.
	tries        = 4
	betweenTries = 2 * time.Second
	maxRedirects = 5
)

// client downloads the files of releases.
type client struct {
	http      *http.Client
	userAgent string
	token     string
	tokenFor  string // the only origin that gets the token
	stall     time.Duration
	pause     time.Duration
}

func newClient(o Options) *client {
	c := &client{
		userAgent: "tale/" + o.Version, tokenFor: cmp.Or(o.tokenFor, apiOrigin),
		stall: cmp.Or(o.stall, stallAfter), pause: cmp.Or(o.pause, betweenTries),
		token: cmp.Or(o.Environ["GITHUB_TOKEN"], o.Environ["GH_TOKEN"]),
	}
	proxy := proxies(o.Environ)
	transport := &http.Transport{
		Proxy:                 func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		DialContext:           (&net.Dialer{Timeout: connectWithin}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: o.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   connectWithin,
		ResponseHeaderTimeout: answerWithin,
		DisableCompression:    true, // what is counted and hashed is the file
		ForceAttemptHTTP2:     true,
	}
	c.http = &http.Client{Transport: httpclient.Transport{Transport: transport}, CheckRedirect: c.redirect}
	return c
}

// proxies returns which proxy the environment names for an address.
func proxies(environ config.Environ) func(*url.URL) (*url.URL, error) {
	either := func(name string) string { return cmp.Or(environ[name], environ[strings.ToLower(name)]) }
	named := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	return named.ProxyFunc()
}

// redirect lets no request leave encryption, and no token its host.
func (c *client) redirect(to *http.Request, before []*http.Request) error {
	switch {
	case len(before) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case before[0].URL.Scheme == "https" && to.URL.Scheme != "https":
		return fmt.Errorf("a redirect from https to %s", to.URL.Redacted())
	}
	to.Header.Del("Authorization")
	c.authorize(to)
	return nil
}

func (c *client) authorize(r *http.Request) {
	if c.token != "" && r.URL.Scheme+"://"+r.URL.Host == c.tokenFor {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
}

// statusError is an answer other than the file.
type statusError struct {
	status int
	why    string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("it answers %d %s%s", e.status, http.StatusText(e.status), e.why)
}

// lasting reports whether the same request would be answered in the same way again.
func (e *statusError) lasting() bool {
	return e.status < 500 && e.status != http.StatusRequestTimeout
}

// get asks for a file, or for what is left of it behind so many bytes, in the version
// that the tag names.
func (c *client) get(ctx context.Context, address string, behind int64, tag string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", c.userAgent)
	if behind > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", behind))
		if tag != "" {
			r.Header.Set("If-Range", tag)
		}
	}
	c.authorize(r)
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		_ = response.Body.Close()
		return nil, &statusError{status: response.StatusCode, why: limited(response)}
	}
	return response, nil
}

// limited returns what to say of an answer that refuses, and what to do.
func limited(response *http.Response) string {
	status, header := response.StatusCode, response.Header
	seconds, err := strconv.ParseInt(header.Get("Retry-After"), 10, 32)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	limited := status == http.StatusTooManyRequests || status == http.StatusForbidden && err == nil
	if header.Get("X-RateLimit-Remaining") == "0" {
		seconds, err = strconv.ParseInt(header.Get("X-RateLimit-Reset"), 10, 64)
		until, limited = time.Unix(seconds, 0), true
	}
	switch {
	case limited && err == nil:
		return ": too many requests of this address until " + until.Local().Format("15:04:05") + instead
	case limited:
		return ": too many requests of this address" + instead
	case status == http.StatusUnauthorized:
		return ": the token of GITHUB_TOKEN or GH_TOKEN is refused; renew or unset it"
	case status == http.StatusForbidden:
		return ": perhaps by a proxy on the way"
	}
	return ""
}

const instead = "; set GITHUB_TOKEN, or name the release with --version, which needs no list"

// redacted returns an address as it may be shown.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return "what is no address"
}

// bytes returns a small file.
func (c *client) bytes(ctx context.Context, address string, most int64) (text []byte, err error) {
	err = c.again(ctx, address, func() (bool, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, connectWithin+answerWithin, errStalled)
		defer cancel()
		response, err := c.get(ctx, address, 0, "")
		if err != nil {
			return false, cause(ctx, err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err = httpclient.ReadAll(response, most)
		return false, cause(ctx, err)
	})
	return text, err
}

// again makes attempts until one succeeds, one fails for good, or a number of them in a
// row have got nowhere.
func (c *client) again(ctx context.Context, address string, attempt func() (progress bool, err error)) error {
	for left := tries; ; {
		progress, err := attempt()
		if err == nil {
			return nil
		}
		var status *statusError
		if left--; progress {
			left = tries
		}
		switch {
		case errors.As(err, new(*os.PathError)): // of what is written to
			return fmt.Errorf("cannot keep the download: %w", err)
		case errors.As(err, new(*httpclient.TooLargeError)):
			return refused("%s: %w", redacted(address), err)
		case errors.As(err, &status) && status.lasting(), left <= 0, !pause.For(ctx, c.pause):
			return exit.With(exit.Unavailable, fmt.Errorf("cannot download %s: %w", redacted(address), cause(ctx, err)))
		}
	}
}

// cause returns why a request failed, without its address: why its context has ended, if
// that is the reason.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if about, ok := errors.AsType[*url.Error](err); ok {
		return about.Err
	}
	return err
}

// download is a file on its way.
type download struct {
	*client
	address  string
	size     int64
	into     *os.File
	tag      string // of the version that has begun
	arrived  int64
	progress func(arrived int64)
}

var errStalled = errors.New("nothing has come for too long")

// file downloads a file of exactly that size, going on where a connection has ended.
func (c *client) file(ctx context.Context, address string, size int64, into *os.File, progress func(int64)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wholeWithin, fmt.Errorf("it has taken more than %s", wholeWithin))
	defer cancel()
	d := &download{client: c, address: address, size: size, into: into, progress: progress}
	return c.again(ctx, address, func() (bool, error) {
		before := d.arrived
		err := d.attempt(ctx)
		return d.arrived > before, err
	})
}

func (d *download) attempt(ctx context.Context) error {
	if d.arrived == d.size {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	response, err := d.get(ctx, d.address, d.arrived, d.tag)
	if err != nil {
		return cause(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := d.begin(response); err != nil {
		return err
	}
	buffer := make([]byte, 256<<10)
	for {
		n, err := response.Body.Read(buffer)
		if d.arrived+int64(n) > d.size {
			return &httpclient.TooLargeError{Most: d.size}
		}
		if _, err := d.into.WriteAt(buffer[:n], d.arrived); err != nil {
			return err
		}
		if d.arrived += int64(n); n > 0 {
			watch.Reset(d.stall)
			d.progress(d.arrived)
		}
		switch {
		case d.arrived == d.size:
			return nil
		case err == io.EOF: //nolint:errorlint // a wrapped one is not the end
			return fmt.Errorf("it ends after %d of %d bytes", d.arrived, d.size)
		case err != nil:
			return cause(ctx, err)
		}
	}
}

// begin prepares for what an answer brings: the rest, or all of it again.
func (d *download) begin(response *http.Response) error {
	if response.StatusCode == http.StatusPartialContent &&
		strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.arrived)) {
		return nil
	}
	if response.StatusCode == http.StatusPartialContent {
		d.arrived = 0
		return fmt.Errorf("the server has sent another part than was asked for: %q", response.Header.Get("Content-Range"))
	}
	if response.ContentLength > d.size {
		return &httpclient.TooLargeError{Most: d.size}
	}
	d.arrived, d.tag = 0, response.Header.Get("ETag")
	if strings.HasPrefix(d.tag, "W/") {
		d.tag = ""
	}
	return d.into.Truncate(0)
}
