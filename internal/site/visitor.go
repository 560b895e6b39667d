package site

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// mostBody is more than any answer that a check reads, in bytes.
const mostBody = 8 << 20

// Options say which stack a visitor goes to, and how.
type Options struct {
	// URL is the site's public address, BASE_PATH included.
	URL string
	// Roots are the authorities that the visitor trusts; nil are the system's.
	Roots *x509.CertPool
	// Blind looks past certificates, except in Certificate, so that one fault of a
	// certificate does not hide the rest.
	Blind bool
	// Connect is the host:port to connect to instead of the site's own; may be empty.
	Connect string
	// Inside is the port of the proxy inside the network, for a site whose own port only
	// the host has: it is tried where that refuses the connection. Empty: none.
	Inside string
	// AdminKey opens the backend's admin API; may be empty.
	AdminKey string
	// Limit bounds every request; 0 is 10 s.
	Limit time.Duration

	inside *atomic.Bool
}

// Visitor visits one stack. It follows no redirect and uses no forward proxy.
type Visitor struct {
	url      string
	adminKey string
	limit    time.Duration
	http     *http.Client
	trusting *http.Client
	inside   *atomic.Bool // a connection was made to Options.Inside
	sockets  *http.Client // speaks HTTP/1.1 only, as a WebSocket handshake has to
}

// New returns a visitor; Close releases its connections.
func New(o Options) *Visitor {
	o.inside = new(atomic.Bool)
	return &Visitor{
		inside: o.inside,
		url:    strings.TrimRight(o.URL, "/"), adminKey: o.AdminKey, limit: cmp.Or(o.Limit, 10*time.Second),
		http: o.client(o.Blind, true), trusting: o.client(false, true), sockets: o.client(o.Blind, false),
	}
}

func (o Options) client(blind, http2 bool) *http.Client {
	dialer := &net.Dialer{}
	return httpclient.New(&http.Transport{
		// Only to look past a certificate that its own check complains about.
		TLSClientConfig: &tls.Config{RootCAs: o.Roots, InsecureSkipVerify: blind, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, cmp.Or(o.Connect, address))
			if o.Inside != "" && errors.Is(err, syscall.ECONNREFUSED) {
				return o.dialInside(ctx, address, err)
			}
			return conn, err
		},
		ForceAttemptHTTP2: http2,
	})
}

// dialInside connects to the proxy's port inside the network, or returns why its
// public one could not be connected to.
func (o Options) dialInside(ctx context.Context, address string, refused error) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, refused
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, o.Inside))
	if err != nil {
		return nil, refused
	}
	o.inside.Store(true)
	return conn, nil
}

// WentInside reports whether the site's own port refused connections and that inside
// the network did not.
func (v *Visitor) WentInside() bool { return v.inside.Load() }

// Close closes the visitor's idle connections.
func (v *Visitor) Close() {
	for _, client := range []*http.Client{v.http, v.trusting, v.sockets} {
		client.CloseIdleConnections()
	}
}

// URL returns the site's public address.
func (v *Visitor) URL() string { return v.url }

// Request is what a visitor asks for.
type Request struct {
	Method string // GET when empty
	URL    string // a path is completed with the site
	Header map[string]string
	Body   []byte
}

// Answer is a response with its body read.
type Answer struct {
	*http.Response
	Body []byte
}

// noAnswer is a request that has failed, in plain words.
type noAnswer struct {
	what string
	error
}

func (e noAnswer) Error() string {
	return fmt.Sprintf("%s: %s", e.what, netcause.Reason(e.error))
}
func (e noAnswer) Unwrap() error { return e.error }

// Ask makes a request and reads the answer; one of more than 8 MiB is an error.
func (v *Visitor) Ask(ctx context.Context, r Request) (*Answer, error) { return v.ask(ctx, v.http, r) }

func (v *Visitor) ask(ctx context.Context, client *http.Client, r Request) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	if strings.HasPrefix(r.URL, "/") {
		r.URL = v.url + r.URL
	}
	request, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodGet), r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, noAnswer{"no answer from " + r.URL, err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := httpclient.ReadAll(response, mostBody)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s has begun an answer, and not ended it within %s", r.URL, v.limit)
	}
	if err != nil {
		return nil, noAnswer{"cannot read the answer of " + r.URL, err}
	}
	return &Answer{Response: response, Body: body}, nil
}

// AdminHeader returns the header that presents the admin key.
func (v *Visitor) AdminHeader() map[string]string {
	return map[string]string{"Authorization": "Convex " + v.adminKey}
}

// Want returns an error for an answer with another status than the wanted one.
func (a *Answer) Want(status int) error {
	if a.StatusCode == status {
		return nil
	}
	return fmt.Errorf("%s %s answered %d instead of %d: %.200q", a.Request.Method, a.Request.URL, a.StatusCode, status, a.Body)
}
