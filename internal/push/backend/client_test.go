package backend

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

const testKey = "tale_platform|00"

// answer starts a server that answers every request alike and records the last.
func answer(t *testing.T, status int, body string) (*Client, *http.Request) {
	t.Helper()
	last := new(http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		*last = *r.Clone(r.Context())
		last.Body = io.NopCloser(strings.NewReader(string(sent)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return newTestClient(t, server.URL+"/"), last
}

func newTestClient(t *testing.T, url string) *Client {
	t.Helper()
	client, err := NewClient(url, testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestClientSendsKeyOnlyWhereItIsNeeded(t *testing.T) {
	client, last := answer(t, http.StatusOK, `{"success":true}`)
	if err := client.CheckAdminKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := last.Header.Get("Authorization"); got != "Convex "+testKey {
		t.Errorf("Authorization %q", got)
	}
	if got := last.Header.Get("Convex-Client"); !strings.HasPrefix(got, "tale-runtime-") {
		t.Errorf("Convex-Client %q", got)
	}
	if last.URL.Path != "/api/check_admin_key" {
		t.Errorf("path %s", last.URL.Path)
	}
	if _, err := client.InstanceName(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := last.Header.Get("Authorization"); got != "" {
		t.Error("the key was sent with an anonymous request")
	}
}

func TestClientReadsTextAnswers(t *testing.T) {
	client, _ := answer(t, http.StatusOK, "tale_platform\n")
	if name, err := client.InstanceName(t.Context()); name != "tale_platform" || err != nil {
		t.Errorf("instance name %q, %v", name, err)
	}
	if version, err := client.Version(t.Context()); version != "tale_platform" || err != nil {
		t.Errorf("version %q, %v", version, err)
	}
}

func TestClientErrors(t *testing.T) {
	tagged := `{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}`
	for name, tt := range map[string]struct {
		status        int
		body          string
		code, message string
	}{
		"tagged":       {401, tagged, "BadAdminKey", "The provided admin key was invalid for this instance"},
		"empty 404":    {404, "", "", ""},
		"empty 408":    {408, "", "", ""},
		"web page":     {502, "<html><body>Bad gateway</body></html>", "", "(a web page, not an answer of a Convex backend)"},
		"plain text":   {500, "upstream sad\n", "", "upstream sad"},
		"foreign JSON": {500, `{"error":"nope"}`, "", `{"error":"nope"}`},
		"long text":    {500, strings.Repeat("é", 400), "", strings.Repeat("é", 150) + "…"},
		"redirect":     {308, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, last := answer(t, tt.status, tt.body)
			err := client.CheckAdminKey(t.Context())
			var got *APIError
			if !errors.As(err, &got) {
				t.Fatalf("error %v", err)
			}
			want := APIError{Method: "GET", Path: last.URL.Path, Status: tt.status, Code: tt.code, Message: tt.message}
			if *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
		})
	}
}

func TestClientRefusesOtherAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"no success": `{"success":false}`, "other JSON": `[]`, "web page": "<!doctype html>", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := answer(t, http.StatusOK, body)
			err := client.CheckAdminKey(t.Context())
			var unexpected *UnexpectedAnswerError
			if !errors.As(err, &unexpected) {
				t.Errorf("error %v", err)
			}
			if _, err := client.ListEnv(t.Context()); err == nil {
				t.Error("taken for a list of variables")
			}
		})
	}
}

// transportKind returns why a request got no answer.
func transportKind(err error) netcause.Kind {
	var lost *TransportError
	if !errors.As(err, &lost) {
		return netcause.None
	}
	return lost.Kind
}

func TestClientTransportErrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	client := newTestClient(t, server.URL)
	err := client.CheckAdminKey(t.Context())
	if kind := transportKind(err); kind != netcause.Closed {
		t.Errorf("%v is of kind %q", err, kind)
	}
	server.Close()
	err = client.CheckAdminKey(t.Context())
	if kind := transportKind(err); kind != netcause.Refused {
		t.Errorf("%v is of kind %q", err, kind)
	}
	if strings.Contains(err.Error(), server.URL) || !strings.Contains(err.Error(), "/api/check_admin_key") {
		t.Errorf("error text %q", err)
	}
}

// TestClientIgnoresProxies: a proxy that everything else on the host must use
// cannot reach the backend's private name.
func TestClientIgnoresProxies(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	if NewTransport().Proxy != nil {
		t.Error("the client asks the environment for a proxy") // which net/http remembers from its first use on
	}
	_, err := newTestClient(t, "http://backend.invalid").Version(t.Context())
	if kind := transportKind(err); kind != netcause.DNS {
		t.Errorf("%v is of kind %q", err, kind)
	}
}

// The admin key must not follow a redirect.
func TestClientFollowsNoRedirect(t *testing.T) {
	elsewhere, last := answer(t, http.StatusOK, `{"success":true}`)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.BaseURL()+"/elsewhere", http.StatusPermanentRedirect))
	defer server.Close()
	err := newTestClient(t, server.URL).CheckAdminKey(t.Context())
	var refused *APIError
	if !errors.As(err, &refused) || refused.Status != http.StatusPermanentRedirect || last.URL != nil {
		t.Errorf("%v after a request for %v", err, last.URL)
	}
}

func TestNewClientRefusesURLs(t *testing.T) {
	for _, url := range []string{"", "convex:3210", "ftp://convex", "http://", "/api", "http://[::1"} {
		if _, err := NewClient(url, testKey); err == nil {
			t.Errorf("NewClient(%q) accepted", url)
		}
	}
}

// TestWordsAreRedactedBeforeTheyAreCut lets the answer's limit fall on every
// character of a secret.
func TestWordsAreRedactedBeforeTheyAreCut(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 4)
	secrets := redact.New(map[string]string{"INSTANCE_SECRET": secret})
	for before := 200; before < 320; before++ {
		body := strings.Repeat("a ", before/2) + strings.Repeat("a", before%2) + secret + " and more"
		client, _ := answer(t, http.StatusBadRequest, body)
		client.Secrets = secrets
		err := client.CheckAdminKey(t.Context())
		if err == nil || strings.Contains(err.Error(), secret[:4]) {
			t.Errorf("%d characters before the secret: %v", before, err)
		}
	}
	client, _ := answer(t, http.StatusBadRequest, `{"code":"Bad","message":"no `+secret+`"}`)
	client.Secrets = secrets
	if err := client.CheckAdminKey(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "no [INSTANCE_SECRET]") {
		t.Errorf("a tagged answer: %v", err)
	}
}
