package platform

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/httpclient"
)

const (
	siteLimit    = 6 * time.Second
	uploadBytes  = 1 << 20
	mostSiteBody = 2 << 20
)

// siteVisitor asks the public site from inside the container, as functions do.
// Whether the certificate is trusted is a check of its own; the others look
// past it, so that one fault does not hide the rest.
type siteVisitor struct {
	site    string // SITE_URL with BASE_PATH
	host    string
	tlsMode string // of the proxy, if it is known here
	trusts  *http.Client
	blind   *http.Client
	sockets *http.Client
}

func newSiteVisitor(siteURL, basePath, tlsMode string) *siteVisitor {
	site := strings.TrimRight(strings.TrimSpace(siteURL), "/")
	if base := strings.Trim(basePath, "/"); base != "" {
		site += "/" + base
	}
	return &siteVisitor{
		site: site, host: hostOf(site), tlsMode: tlsMode,
		trusts: siteClient(false, true), blind: siteClient(true, true), sockets: siteClient(true, false),
	}
}

func siteClient(blind, http2 bool) *http.Client {
	client := httpclient.New(&http.Transport{
		// Only to look past a certificate that its own check complains about.
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: blind, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: http2,
		DisableKeepAlives: true,
	})
	client.Timeout = siteLimit
	return client
}

func (v *siteVisitor) checks() []doctor.Check {
	const siteName, proxyHealth = "name of SITE_URL", "proxy health"
	throughProxy := []string{backendAnswers, proxyHealth}
	return []doctor.Check{
		resolves(siteName, v.host, "inside the compose network the proxy needs the alias HOST; outside, a DNS record"),
		{Name: proxyHealth, Needs: []string{siteName}, Run: v.proxyHealth,
			Fix: "is the proxy up, and does its SITE_URL say the same? docker compose ps proxy; docker compose logs proxy"},
		{Name: "upstreams", Needs: throughProxy, Run: v.upstreams,
			Fix: "docker compose logs proxy says why its probes do not pass; docker compose ps"},
		{Name: "certificate", Needs: []string{proxyHealth}, Run: v.certificate,
			Fix: "docker compose logs proxy tells about certificates; docs/operations.md, TLS"},
		{Name: "sync socket", Needs: throughProxy, Run: v.socket,
			Fix: "a proxy in front must pass WebSocket upgrades (Upgrade and Connection headers, long read time-outs)"},
		{Name: "HTTP actions", Needs: throughProxy, Run: v.httpActions,
			Fix: "docker compose exec proxy proxy routes: /http_api must lead to this backend"},
		{Name: "storage", Needs: throughProxy, Run: v.storage,
			Fix: "a proxy in front must pass /api/storage and bodies of 1 MB (client_max_body_size); MAX_BODY of our proxy too"},
		{Name: "auth discovery", Needs: throughProxy, Run: v.discovery,
			Fix: "nothing, unless convex/auth.config.ts names SITE_URL and users log in: then functions cannot verify their sessions (AuthProviderDiscoveryFailed) until convex/http.ts serves the document"},
	}
}

// noAnswer says in plain words why a request of the site has failed.
type noAnswer struct {
	url string
	error
}

func (e noAnswer) Error() string {
	return fmt.Sprintf("no answer from %s: %s", e.url, health.Reason(e.error))
}
func (e noAnswer) Unwrap() error { return e.error }

func (v *siteVisitor) ask(ctx context.Context, client *http.Client, method, path string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, v.site+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, noAnswer{v.site + path, err}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := httpclient.ReadAll(response, mostSiteBody)
	return response.StatusCode, answer, err
}

// deepHealth asks what only our proxy can answer.
func (v *siteVisitor) deepHealth(ctx context.Context) (unavailable []string, err error) {
	status, body, err := v.ask(ctx, v.blind, http.MethodGet, "/health?deep", nil)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Available *bool
		Upstreams []struct {
			Upstream  string
			Available bool
		}
	}
	if json.Unmarshal(body, &answer) != nil || answer.Available == nil {
		return nil, doctor.WithFix(fmt.Errorf("%s/health answered %d, and not as our proxy does", v.site, status),
			"the name leads somewhere else than to our proxy: check HOST, its network alias and DNS")
	}
	for _, upstream := range answer.Upstreams {
		if !upstream.Available {
			unavailable = append(unavailable, upstream.Upstream)
		}
	}
	return unavailable, nil
}

func (v *siteVisitor) proxyHealth(ctx context.Context) (string, error) {
	if _, err := v.deepHealth(ctx); err != nil {
		return "", err
	}
	return v.site + "/health is our proxy", nil
}

// upstreams is what the proxy found.
func (v *siteVisitor) upstreams(ctx context.Context) (string, error) {
	unavailable, err := v.deepHealth(ctx)
	if err != nil {
		return "", err
	}
	if len(unavailable) > 0 {
		return "", fmt.Errorf("the proxy has no healthy address for %s and answers with its maintenance page", strings.Join(unavailable, ", "))
	}
	return "the proxy reaches all of them", nil
}

func (v *siteVisitor) socket(ctx context.Context) (string, error) {
	const path = "/ws_api/api/1.48.0/sync"
	connection, response, err := websocket.Dial(ctx, v.site+path, &websocket.DialOptions{HTTPClient: v.sockets}) //nolint:bodyclose // the library closes it, or it is the connection
	if err != nil {
		if response != nil {
			return "", fmt.Errorf("%s%s answered %d instead of an upgrade", v.site, path, response.StatusCode)
		}
		return "", fmt.Errorf("cannot open %s%s: %s", v.site, path, health.Reason(errors.Unwrap(err)))
	}
	return "upgraded at " + path, connection.CloseNow()
}

// httpActions asks for a path that no function has: any answer of the backend
// will do, and its own 404 is a sentence about functions or routes.
func (v *siteVisitor) httpActions(ctx context.Context) (string, error) {
	status, body, err := v.ask(ctx, v.blind, http.MethodGet, "/http_api/tale-doctor", nil)
	if err != nil {
		return "", err
	}
	if status >= http.StatusInternalServerError {
		return "", fmt.Errorf("/http_api answered %d: %.80q", status, body)
	}
	return fmt.Sprintf("the backend answers on /http_api (%d)", status), nil
}

// storage uploads and downloads. Only a function can make an upload URL; where
// the backend wants one, its refusal shows that the route and the size pass.
func (v *siteVisitor) storage(ctx context.Context) (string, error) {
	file := bytes.Repeat([]byte("tale-doctor\n"), uploadBytes/12)
	status, body, err := v.ask(ctx, v.blind, http.MethodPost, "/api/storage/upload?token=tale-doctor", file)
	if err != nil {
		return "", err
	}
	var answer struct{ StorageID, Code string }
	isJSON := json.Unmarshal(body, &answer) == nil
	if status != http.StatusOK && isJSON && answer.Code != "" && status < http.StatusInternalServerError {
		return fmt.Sprintf("%d bytes reached the backend, which wants an upload URL of a function (%s)", len(file), answer.Code), nil
	}
	if status != http.StatusOK || answer.StorageID == "" {
		return "", fmt.Errorf("/api/storage/upload answered %d: %.80q", status, body)
	}
	status, body, err = v.ask(ctx, v.blind, http.MethodGet, "/api/storage/"+answer.StorageID, nil)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK || !bytes.Equal(body, file) {
		return "", fmt.Errorf("the download answered %d with %d of %d bytes", status, len(body), len(file))
	}
	return fmt.Sprintf("%d bytes up and down", len(file)), nil
}
