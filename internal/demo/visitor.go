package demo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/tale-project/tale-runtime/internal/adminkey"
	"github.com/tale-project/tale-runtime/internal/httpclient"
)

const (
	visitLimit = 10 * time.Second
	// rootFile is the root certificate, where PROXY_CA_EXPORT_DIR has the proxy put it.
	rootFile = "root.crt"
	// mostBody is more than any answer that a check reads.
	mostBody = 8 << 20
)

// visitor is somebody outside who trusts the proxy's root certificate and
// nothing else. It follows no redirect.
type visitor struct {
	site     string // https://localhost:PORT
	http     *http.Client
	sockets  *http.Client // speaks HTTP/1.1 only, as a WebSocket handshake has to
	adminKey string
}

func newVisitor(id *identity, rootPath string) (*visitor, error) {
	return newVisitorTo(destination{site: id.siteURL(), root: rootPath, instance: instanceName, secret: id.Secrets.Instance})
}

// destination is the stack that a visitor goes to.
type destination struct {
	site     string // its public URL
	root     string // file with the root certificate to trust
	connect  string // host:port to connect to instead of the site's own; may be empty
	instance string
	secret   string
}

func newVisitorTo(d destination) (*visitor, error) {
	root, err := os.ReadFile(d.root)
	if err != nil {
		return nil, fmt.Errorf("cannot trust the proxy: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("cannot trust the proxy: %s holds no certificate", d.root)
	}
	key, err := adminkey.Mint(d.instance, d.secret)
	if err != nil {
		return nil, err
	}
	return &visitor{
		site: d.site, adminKey: key,
		http: newHTTPClient(pool, d.connect, true), sockets: newHTTPClient(pool, d.connect, false),
	}, nil
}

func newHTTPClient(pool *x509.CertPool, connect string, http2 bool) *http.Client {
	dialer := &net.Dialer{}
	return httpclient.New(&http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, cmp.Or(connect, address))
		},
		ForceAttemptHTTP2: http2,
	})
}

func (v *visitor) close() {
	v.http.CloseIdleConnections()
	v.sockets.CloseIdleConnections()
}

// request is what a check asks for; a path is completed with the site.
type request struct {
	method  string // GET when empty
	url     string
	headers map[string]string
	body    []byte
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

func (v *visitor) ask(ctx context.Context, r request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, visitLimit)
	defer cancel()
	if r.url[0] == '/' {
		r.url = v.site + r.url
	}
	if r.method == "" {
		r.method = http.MethodGet
	}
	asked, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, value := range r.headers {
		asked.Header.Set(name, value)
	}
	response, err := v.http.Do(asked)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := httpclient.ReadAll(response, mostBody)
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s: %w", r.url, err)
	}
	return &answer{Response: response, body: body}, nil
}

// asAdmin are the headers of whoever holds an admin key.
func (v *visitor) asAdmin() map[string]string {
	return map[string]string{"Authorization": "Convex " + v.adminKey}
}

// want is the error for an answer with another status than the wanted one.
func (a *answer) want(status int) error {
	if a.StatusCode == status {
		return nil
	}
	return fmt.Errorf("%s %s answered %d instead of %d: %.200q", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
}
