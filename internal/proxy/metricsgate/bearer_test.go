package metricsgate

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// hardTokens contain what Caddy's own matchers, its Caddyfile and its
// placeholders give a meaning to.
var hardTokens = []string{
	"plain",
	`with"quote`,
	"with`backtick",
	"*leading", "trailing*", "*both*", "*",
	"a{b}c", "{env.HOME}", "{http.request.host}", "{{", "}",
	"two words", "a  b",
	`back\slash`, "comma,semi;colon", "ünïcödé", "\xff\xfe",
	"YWJj/+=", "Bearer", "bearer x",
}

func provisioned(t *testing.T, token string) *Bearer {
	t.Helper()
	host.Provide(host.Process{Tokens: map[string]config.Secret{t.Name(): config.Secret(token)}})
	t.Cleanup(func() { host.Provide(host.Process{}) })
	b := &Bearer{Name: t.Name()}
	if err := b.Provision(caddytest.EmptyContext(t)); err != nil {
		t.Fatal(err)
	}
	return b
}

// ask sends the header over a real connection, as Go's server parses it.
func ask(t *testing.T, b *Bearer, header string) bool {
	t.Helper()
	matched := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { matched <- b.Match(r) }))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n" + header + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	return <-matched
}

func TestEveryTokenMatchesItselfAndNothingElse(t *testing.T) {
	for _, token := range hardTokens {
		t.Run(token, func(t *testing.T) {
			b := provisioned(t, token)
			if !ask(t, b, "Authorization: Bearer "+token) {
				t.Error("does not match itself")
			}
			for _, other := range []string{token + "x", "x" + token, strings.ToUpper(token) + "_", token[:len(token)-1], ""} {
				if ask(t, b, "Authorization: Bearer "+other) {
					t.Errorf("matches %q", other)
				}
			}
		})
	}
}

func TestHeaderForms(t *testing.T) {
	b := provisioned(t, "secret")
	tests := []struct {
		header string
		want   bool
	}{
		{"Authorization: Bearer secret", true},
		{"authorization: bearer secret", true},
		{"AUTHORIZATION: BEARER secret", true},
		{"Authorization: bEaReR   secret  ", true},
		{"Authorization: Bearer SECRET", false},
		{"Authorization: Bearersecret", false},
		{"Authorization: Basic secret", false},
		{"Authorization: secret", false},
		{"Authorization: Bearer", false},
		{"Authorization: Bearer wrong\r\nAuthorization: Bearer secret", false},
		{"Authorization: Bearer secret\r\nAuthorization: Bearer wrong", false},
		{"Authorization: Bearer secret, Bearer wrong", false},
		{"X-Authorization: Bearer secret", false},
	}
	for _, tt := range tests {
		if got := ask(t, b, tt.header); got != tt.want {
			t.Errorf("%q: got %v", tt.header, got)
		}
	}
}

func TestTheConfigurationNeverHasTheToken(t *testing.T) {
	b := provisioned(t, "do-not-print-me")
	printed, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"` + t.Name() + `"}`; string(printed) != want {
		t.Errorf("prints %s, want %s", printed, want)
	}
}

func TestProvisionRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, want := range map[string]string{"": "its name is missing", "unheard-of": `bearer token "unheard-of"`} {
		b := &Bearer{Name: name}
		err := b.Provision(caddytest.EmptyContext(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("name %q: got %v", name, err)
		}
	}
}

func TestCaddyfile(t *testing.T) {
	var b Bearer
	if err := b.UnmarshalCaddyfile(caddyfile.NewTestDispenser("tale_bearer metrics")); err != nil || b.Name != "metrics" {
		t.Errorf("got %+v, %v", b, err)
	}
	for _, input := range []string{"tale_bearer", "tale_bearer a b"} {
		if new(Bearer).UnmarshalCaddyfile(caddyfile.NewTestDispenser(input)) == nil {
			t.Errorf("%q is accepted", input)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	b := provisioned(t, "secret")
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Authorization", "Bearer secret")
	if n := testing.AllocsPerRun(100, func() { b.Match(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
