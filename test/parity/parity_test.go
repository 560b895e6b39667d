package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// simulated returns a simulator as a target.
func simulated(t *testing.T, name string) *target {
	t.Helper()
	s := simtest.Start(t, convexsim.Options{InstanceName: instanceName, InstanceSecret: secret})
	key, err := adminkey.Mint(instanceName, secret)
	if err != nil {
		t.Fatal(err)
	}
	return &target{name: name, api: s.URL(), site: s.SiteURL(), key: key, instance: instanceName}
}

// behind puts a proxy that changes answers in front of a target.
func behind(t *testing.T, at *target, change func(*http.Response), frames func(string) string) *target {
	t.Helper()
	upstream, err := url.Parse(at.api)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.ModifyResponse = func(r *http.Response) error {
		if change != nil {
			change(r)
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if frames != nil && r.Header.Get("Upgrade") != "" {
			relay(w, r, at.api+r.URL.Path, frames)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	changed := *at
	changed.api = server.URL
	return &changed
}

// relay passes the messages of a socket on, those of the server changed.
func relay(w http.ResponseWriter, r *http.Request, to string, change func(string) string) {
	client, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = client.CloseNow() }()
	server, _, err := websocket.Dial(r.Context(), to, nil) //nolint:bodyclose // the library closes it
	if err != nil {
		return
	}
	defer func() { _ = server.CloseNow() }()
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		defer cancel()
		pass(ctx, client, server, func(text string) string { return text })
	}()
	pass(ctx, server, client, change)
}

func pass(ctx context.Context, from, to *websocket.Conn, change func(string) string) {
	for {
		kind, data, err := from.Read(ctx)
		if err != nil {
			return
		}
		if text := change(string(data)); text != "" && to.Write(ctx, kind, []byte(text)) != nil {
			return
		}
	}
}

// rewrite changes the body of answers to one path.
func rewrite(path string, change func(string) string) func(*http.Response) {
	return func(r *http.Response) {
		if r.Request.URL.Path != path {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		text := change(string(body))
		r.Body = io.NopCloser(strings.NewReader(text))
		r.ContentLength = int64(len(text))
		r.Header.Del("Content-Length")
	}
}

func replace(old, with string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, with) }
}

func pushBody(t *testing.T) string {
	t.Helper()
	body, err := readPush(pushtest.NewRequest().Write(t))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Two of the same kind answer alike, whatever their addresses, keys and times.
func TestTheSimulatorAgreesWithItself(t *testing.T) {
	a, b := simulated(t, "A"), simulated(t, "B")
	list := everything(pushBody(t))
	if len(list) < 200 {
		t.Errorf("only %d requests", len(list))
	}
	names := map[string]bool{}
	for _, r := range list {
		if names[r.label()] {
			t.Errorf("two requests are named %s", r.label())
		}
		names[r.label()] = true
	}
	results, err := run(t.Context(), io.Discard, a, b, list)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if different := report(&out, a, b, results); different != 0 {
		t.Errorf("%d differ:\n%s", different, out.String())
	}
	// A list that only ever meets refusals would agree about anything.
	succeeded := map[string]int{}
	for _, r := range results {
		if r.a.status >= 200 && r.a.status < 300 || r.a.status == http.StatusSwitchingProtocols {
			succeeded[r.request.area]++
		}
	}
	for _, area := range []string{"probes", "doors", "variables", "push", "system", "files", "socket", "paused"} {
		if succeeded[area] == 0 {
			t.Errorf("nothing of %s succeeds", area)
		}
	}
}

// Every kind of difference is found, and told by its place.
func TestADifferenceIsFound(t *testing.T) {
	header := func(path, name, value string) func(*http.Response) {
		return func(r *http.Response) {
			if r.Request.URL.Path != path {
				return
			}
			if r.Header.Del(name); value != "" {
				r.Header.Set(name, value)
			}
		}
	}
	const list = "/api/list_environment_variables"
	tests := map[string]struct {
		change func(*http.Response)
		frames func(string) string
		want   string // label of a request
		what   string
		kind   string
	}{
		"status": {func(r *http.Response) {
			if r.Request.URL.Path == "/api/check_admin_key" && r.StatusCode == http.StatusOK {
				r.StatusCode = http.StatusAccepted
			}
		}, nil, "doors: the right key", "status", "value"},
		"header gone":     {header("/echo", "Access-Control-Allow-Credentials", ""), nil, "probes: echo", "header Access-Control-Allow-Credentials", "missing"},
		"header new":      {header("/echo", "Retry-After", "1"), nil, "probes: echo", "header Retry-After", "added"},
		"header value":    {header("/echo", "Vary", "origin"), nil, "probes: echo", "header Vary", "value"},
		"text":            {rewrite("/instance_name", replace("parity", "purity")), nil, "probes: GET /instance_name", "body", "value"},
		"member gone":     {rewrite(list, replace(`"environmentVariables"`, `"variables"`)), nil, "variables: list", "body.environmentVariables", "missing"},
		"member new":      {rewrite(list, replace(`{"environmentVariables"`, `{"more":1,"environmentVariables"`)), nil, "variables: list", "body.more", "added"},
		"value":           {rewrite(list, replace(`http://localhost`, `http://elsewhere`)), nil, "variables: list", "body.environmentVariables.SITE_URL", "value"},
		"type":            {rewrite(list, replace(`"http://localhost"`, `17`)), nil, "variables: list", "body.environmentVariables.SITE_URL", "type"},
		"length":          {rewrite("/api/get_config_hashes", replace(`"moduleHashes":[`, `"moduleHashes":[{"path":"x"},`)), nil, "push: hashes after", "body.moduleHashes", "length"},
		"no JSON":         {rewrite(list, func(string) string { return "{" }), nil, "variables: list", "body", "type"},
		"error code":      {rewrite("/api/deploy2/finish_push", replace(`"code":"`, `"code":"X`)), nil, "push: finish nothing", "body.code", "value"},
		"no answer":       {func(r *http.Response) { r.Body = brokenIf(r, list) }, nil, "variables: list", "answer", "failure"},
		"a frame's type":  {nil, replace(`"type":"AuthError"`, `"type":"Error"`), "socket: a token that is none", "body[1]", "length"},
		"a frame's value": {nil, replace(`"baseVersion"`, `"base"`), "socket: a token that is none", "body[1][0].baseVersion", "missing"},
		"a frame is lost": {nil, func(text string) string {
			if strings.Contains(text, "AuthError") {
				return ""
			}
			return text
		}, "socket: a token that is none", "body[1][0].type", "value"},
		"no socket": {func(r *http.Response) {
			if r.StatusCode == http.StatusSwitchingProtocols {
				r.StatusCode = http.StatusForbidden
			}
		}, nil, "socket: a token that is none", "", ""},
	}
	push := pushBody(t)
	wanted := map[string]bool{}
	for _, tt := range tests {
		wanted[tt.want] = true
	}
	// What the ones that are looked at build on comes with them.
	requests := slices.DeleteFunc(everything(push), func(r request) bool {
		return !wanted[r.label()] && r.label() != "push: start" && r.label() != "push: finish" && !strings.HasPrefix(r.label(), "variables: change 0")
	})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := simulated(t, "A")
			b := behind(t, simulated(t, "B"), tt.change, tt.frames)
			results, err := run(t.Context(), io.Discard, a, b, requests)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if report(&out, a, b, results) == 0 {
				t.Fatalf("found nothing:\n%s", out.String())
			}
			at := slices.IndexFunc(results, func(r result) bool { return r.request.label() == tt.want })
			found := results[at].unexpected
			if len(found) == 0 || tt.what != "" && !slices.ContainsFunc(found, func(d difference) bool { return d.what == tt.what && d.kind == tt.kind }) {
				t.Errorf("found %v at %s, not %s (%s)", found, tt.want, tt.what, tt.kind)
			}
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("%s is not in\n%s", tt.want, out.String())
			}
		})
	}
}

// brokenIf returns a body that ends too early, for one path.
func brokenIf(r *http.Response, path string) io.ReadCloser {
	if r.Request.URL.Path != path || r.StatusCode != http.StatusOK {
		return r.Body
	}
	return io.NopCloser(io.LimitReader(r.Body, 3))
}

func TestWhatIsAnotherEachTimeIsNoDifference(t *testing.T) {
	tests := map[string]struct {
		a, b string
		same bool
	}{
		"request ids":        {`{"m":"[Request ID: 0123456789abcdef] no"}`, `{"m":"[Request ID: fedcba9876543210] no"}`, true},
		"times":              {`{"_creationTime":1790000000000.5,"ts":1790000000}`, `{"_creationTime":1790000100000.25,"ts":1790000100}`, true},
		"identifiers":        {`["jd7c8pymx8rk1z3q5xw0vh8n9h7a1b2c","x"]`, `["kd7c8pymx8rk1z3q5xw0vh8n9h7a1b2c","x"]`, true},
		"who is who":         {`["jd7c8pymx8rk1z3q5xw0vh8n9h7a1b2c","jd7c8pymx8rk1z3q5xw0vh8n9h7a1b2c"]`, `["jd7c8pymx8rk1z3q5xw0vh8n9h7a1b2c","kd7c8pymx8rk1z3q5xw0vh8n9h7a1b2c"]`, false},
		"small numbers":      {`{"n":1}`, `{"n":2}`, false},
		"a time or none":     {`{"n":1790000000000}`, `{"n":null}`, false},
		"order of members":   {`{"a":1,"b":2}`, `{"b":2,"a":1}`, true},
		"order of a list":    {`[1,2]`, `[2,1]`, false},
		"hashes are no ids":  {`{"h":"` + strings.Repeat("a1", 32) + `"}`, `{"h":"` + strings.Repeat("b2", 32) + `"}`, false},
		"sync versions":      {`{"ts":"AAAAAAAAAAA="}`, `{"ts":"zHkq3xQAAAA="}`, true},
		"null and not there": {`{"a":null}`, `{}`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			at := &target{api: "http://127.0.0.1:1", site: "http://127.0.0.1:2", key: "parity|01", instance: "parity"}
			header := http.Header{"Content-Type": {"application/json"}}
			found := compare(at.normal(answer{Header: header, Body: []byte(tt.a)}), at.normal(answer{Header: header, Body: []byte(tt.b)}))
			if (len(found) == 0) != tt.same {
				t.Errorf("differences: %v", found)
			}
		})
	}
}

// An expectation that every difference meets would hide the next lie.
func TestExpectationsAreNarrow(t *testing.T) {
	for _, r := range everything(`{}`) {
		for _, what := range []string{"status", "header Content-Type", "body.value", "body.code"} {
			if name := explain(r, difference{what: what}); name != "" && r.area != "elsewhere" && r.label() != "push: report" {
				t.Errorf("%s of %s is expected: %s", what, r.label(), name)
			}
		}
	}
}

func TestTheKeyOfAPushIsReplaced(t *testing.T) {
	body := pushBody(t)
	var read struct{ AdminKey string }
	if err := json.Unmarshal([]byte(body), &read); err != nil || read.AdminKey != "@{key}" {
		t.Errorf("%q, %v", read.AdminKey, err)
	}
}
