package clidriver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// tapped starts a tap in front of a backend.
func tapped(t *testing.T, backend http.HandlerFunc) (*tap, *trace.Trace) {
	t.Helper()
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	return tapTo(t, server.URL)
}

func tapTo(t *testing.T, url string) (*tap, *trace.Trace) {
	t.Helper()
	seen := trace.New(slog.New(slog.DiscardHandler), nil)
	p, err := startTap(t.Context(), slog.New(slog.DiscardHandler), url, nil, seen, func(*backend.APIError) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p, seen
}

func do(t *testing.T, method, url string, body io.Reader, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(answer)
}

func TestTapForwardsByteForByte(t *testing.T) {
	type arrival struct {
		target, hash, host string
		length             int64
		header             http.Header
	}
	arrived := make(chan arrival, 1)
	p, _ := tapped(t, func(w http.ResponseWriter, r *http.Request) {
		digest := sha256.New()
		if _, err := io.Copy(digest, r.Body); err != nil {
			t.Error(err)
		}
		arrived <- arrival{r.Method + " " + r.RequestURI, hex.EncodeToString(digest.Sum(nil)), r.Host, r.ContentLength, r.Header}
		w.Header().Set("X-Convex-Deprecation-State", "deprecated")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "\x00answer\xff")
	})
	content := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	sum := sha256.Sum256(content)
	header := http.Header{
		"Authorization": {"Convex name|00"}, "Content-Encoding": {"br"}, "Convex-Client": {"npm-cli-1.48.0"},
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "User-Agent": {"undici"},
	}
	for name, body := range map[string]io.Reader{"known length": bytes.NewReader(content), "chunked": io.MultiReader(bytes.NewReader(content))} {
		response, answer := do(t, http.MethodPost, p.address+"/api/deploy2/start_push?a=%20b&c;d", body, header)
		if response.StatusCode != http.StatusTeapot || answer != "\x00answer\xff" || response.Header.Get("X-Convex-Deprecation-State") != "deprecated" {
			t.Errorf("%s: answer %d %q %v", name, response.StatusCode, answer, response.Header)
		}
		got := <-arrived
		if got.target != "POST /api/deploy2/start_push?a=%20b&c;d" || got.hash != hex.EncodeToString(sum[:]) || "http://"+got.host != p.target.String() {
			t.Errorf("%s: %s of %s to %s", name, got.target, got.hash, got.host)
		}
		if wantLength := map[string]int64{"known length": int64(len(content)), "chunked": -1}[name]; got.length != wantLength {
			t.Errorf("%s: length %d", name, got.length)
		}
		for key := range header {
			if got.header.Get(key) != header.Get(key) {
				t.Errorf("%s: %s is %q", name, key, got.header.Get(key))
			}
		}
		if got.header.Get("X-Forwarded-For") != "" {
			t.Errorf("%s: a header was added", name)
		}
	}
}

func TestTapStreamsBothWays(t *testing.T) {
	first := make(chan string, 1)
	p, _ := tapped(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		piece := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, piece)
		first <- string(piece)
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "reply")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, ".....")
	})
	body, send := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.address+"/api/deploy2/start_push", body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(send, "first") }()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got := <-first; got != "first" {
		t.Errorf("the backend got %q", got)
	}
	// The answer is here although the request has not ended.
	piece := make([]byte, 5)
	if _, err := io.ReadFull(response.Body, piece); err != nil || string(piece) != "reply" {
		t.Errorf("%q, %v", piece, err)
	}
	_ = send.Close()
}

func TestTapPassesWebSockets(t *testing.T) {
	p, _ := tapped(t, func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		for {
			kind, message, err := socket.Read(r.Context())
			if err != nil {
				return
			}
			_ = socket.Write(r.Context(), kind, append([]byte("echo "), message...))
		}
	})
	socket, _, err := websocket.Dial(t.Context(), p.address+"/api/1.48.0/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := socket.Read(t.Context()); err != nil || string(message) != "echo hello" {
		t.Errorf("%q, %v", message, err)
	}
	stopped := make(chan struct{})
	go func() { p.stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Fatal("an open WebSocket keeps the tap from stopping")
	}
}

func TestTapObservesAPush(t *testing.T) {
	polls := 0
	p, seen := tapped(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/api/deploy2/evaluate_schema":
			w.WriteHeader(http.StatusNotFound)
		case "/api/deploy2/start_push":
			_, _ = io.WriteString(w, `{"environmentVariables":{"A":"secret"},"analysis":{"":{"functions":{"m.js":{"functions":[{},{}]}}}},
				"schemaChange":{"schemaIds":{},"indexDiffs":{"":{"added_indexes":[{"name":"notes.by_n"}]}}}}`)
		case "/api/deploy2/wait_for_schema":
			if polls++; polls < 3 {
				_, _ = fmt.Fprintf(w, `{"type":"inProgress","components":{"":{"schemaValidationComplete":true,"indexesComplete":%d,"indexesTotal":3},"c":{"schemaValidationComplete":false,"indexesComplete":0,"indexesTotal":1}}}`, polls)
				return
			}
			_, _ = io.WriteString(w, `{"type":"complete"}`)
		}
	})
	var advanced int
	seen.Attempt(func() { advanced++ })
	for _, path := range []string{"get_config_hashes", "deploy2/evaluate_schema", "deploy2/start_push", "deploy2/wait_for_schema", "deploy2/wait_for_schema"} {
		do(t, http.MethodPost, p.address+"/api/"+path, strings.NewReader("12345"), nil)
	}
	o, failed := seen.Observed()
	if failed {
		t.Error("a failure was observed during the wait")
	}
	want := diagnosis.Observation{Stage: backend.StageWaitForSchema, Progress: backend.Progress{IndexesComplete: 2, IndexesTotal: 4}}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
	if !seen.Changed("").SchemaPending {
		t.Error("no schema is pending during the wait")
	}
	do(t, http.MethodPost, p.address+"/api/deploy2/wait_for_schema", strings.NewReader("12345"), nil)
	do(t, http.MethodPost, p.address+"/api/deploy2/finish_push", strings.NewReader("12345"), nil)
	if advanced != 3 || !seen.IsFinished() || seen.Changed("") != (diagnosis.Changed{}) {
		t.Errorf("%d advances, finished %v, changed %+v", advanced, seen.IsFinished(), seen.Changed(""))
	}
	deploy := seen.Snapshot()
	if deploy.Functions != 2 || *deploy.Indexes != (trace.IndexProgress{Complete: 4, Total: 4, SchemaValidation: true}) {
		t.Errorf("%+v %+v", deploy, deploy.Indexes)
	}
	wait := deploy.Stages[3]
	wait.DurationMS, wait.Started = 0, nil
	if want := (trace.PushStage{Name: "wait_for_schema", State: report.Done, BytesSent: 15, BytesReceived: wait.BytesReceived, Status: 200, Requests: 3}); wait != want || wait.BytesReceived < 100 {
		t.Errorf("got %+v, want %+v", wait, want)
	}
	if schema := deploy.Stages[1]; schema.State != report.Failed || schema.Status != 404 {
		t.Errorf("%+v", schema)
	}
}

// By the time the CLI has the last byte, the trace must know how it ended.
func TestTapKnowsTheEndWithTheLastByte(t *testing.T) {
	ended := false
	body := &tapBody{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader("123"))), saw: func([]byte) {}, ended: func(error) { ended = true }, left: 3}
	for i := range 3 {
		if ended {
			t.Errorf("ended after %d bytes", i)
		}
		if n, err := body.Read(make([]byte, 8)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if !ended {
		t.Error("the end is not known with the last byte")
	}
}

func TestTapObservesErrors(t *testing.T) {
	answers := map[string]struct {
		status int
		body   string
		want   diagnosis.Observation
	}{
		"/api/get_config_hashes":       {401, `{"code":"BadAdminKey","message":"invalid"}`, diagnosis.Observation{Stage: backend.StageGetConfigHashes, Status: 401, Code: "BadAdminKey", Message: "invalid"}},
		"/api/deploy2/evaluate_push":   {404, "", diagnosis.Observation{Stage: backend.StageEvaluatePush, Status: 404}},
		"/api/deploy2/start_push":      {500, strings.Repeat("x", maxTapAnswer*2), diagnosis.Observation{Stage: backend.StageStartPush, Status: 500, Message: strings.Repeat("x", 300) + "…"}},
		"/api/deploy2/wait_for_schema": {200, `{"type":"failed","error":"no match","componentPath":"c","tableName":"notes"}`, diagnosis.Observation{Stage: backend.StageWaitForSchema, Status: 200, Condition: diagnosis.ConditionSchemaFailed, Message: "no match", Component: "c", Table: "notes"}},
		"/api/deploy2/finish_push":     {400, `{"code":"RaceDetected","message":"changed"}`, diagnosis.Observation{Stage: backend.StageFinishPush, Status: 400, Code: "RaceDetected", Message: "changed"}},
	}
	p, seen := tapped(t, func(w http.ResponseWriter, r *http.Request) {
		answer := answers[r.URL.Path]
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.body)
	})
	for path, answer := range answers {
		seen.Attempt(func() {})
		do(t, http.MethodPost, p.address+path, strings.NewReader("{}"), nil)
		if got, failed := seen.Observed(); !failed || got != answer.want {
			t.Errorf("%s: %+v", path, got)
		}
	}
	// A later success of any request means that the CLI got over it.
	answers["/api/get_config_hashes"] = answers["/api/deploy2/finish_push"]
	a := answers["/api/get_config_hashes"]
	a.status = 200
	answers["/api/get_config_hashes"] = a
	do(t, http.MethodPost, p.address+"/api/get_config_hashes", nil, nil)
	if o, failed := seen.Observed(); failed {
		t.Errorf("%+v", o)
	}
}

func TestTapObservesLostConnections(t *testing.T) {
	for name, c := range map[string]struct {
		backend http.HandlerFunc
		want    netcause.Kind
	}{
		"before the answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, netcause.Closed},
		"inside the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		}, netcause.Closed},
	} {
		p, seen := tapped(t, c.backend)
		seen.Attempt(func() {})
		if err := post(t.Context(), p.address+"/api/deploy2/finish_push"); err == nil {
			t.Errorf("%s: the client saw an answer", name)
		}
		o, _ := seen.Observed()
		want := diagnosis.Observation{Stage: backend.StageFinishPush, Transport: c.want, Reason: o.Reason}
		if diff := cmp.Diff(want, o); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !seen.Changed("").Finishing {
			t.Errorf("%s: finish_push cannot have been applied", name)
		}
	}
}

func TestTapWithoutABackend(t *testing.T) {
	var config net.ListenConfig
	closed, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	p, seen := tapTo(t, "http://"+closed.Addr().String())
	seen.Attempt(func() {})
	if err := post(t.Context(), p.address+"/api/get_config_hashes"); err == nil {
		t.Error("the client saw an answer")
	}
	if o, failed := seen.Observed(); !failed || o.Transport != netcause.Refused {
		t.Errorf("%+v", o)
	}
	p.stop()
	if err := post(t.Context(), p.address+"/"); !errors.Is(err, errConnect) {
		t.Errorf("the tap still listens: %v", err)
	}
}

var errConnect = errors.New("no connection")

// post reads the answer to its end.
func post(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if kind, _ := netcause.Of(err); kind == netcause.Refused {
		return errConnect
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func TestTapTellsOfAMissingRoute(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	gone := make(chan *backend.APIError, 4)
	p, err := startTap(t.Context(), slog.New(slog.DiscardHandler), server.URL, nil, trace.New(slog.New(slog.DiscardHandler), nil), func(e *backend.APIError) { gone <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	do(t, http.MethodPost, p.address+"/api/deploy2/evaluate_schema", nil, nil)
	do(t, http.MethodPost, p.address+"/api/deploy2/evaluate_push", nil, nil)
	if e := <-gone; e.Path != "/api/deploy2/evaluate_push" || len(gone) != 0 {
		t.Errorf("%+v", e)
	}
}

func TestTapCountsWhatIsPushed(t *testing.T) {
	request := `{"adminKey":"k","appDefinition":{"definition":null,"schema":null,"changedModules":[{"path":"a.js","source":"1"}],` +
		`"unchangedModuleHashes":[{"path":"b.js"},{"path":"c.js"}]},"componentDefinitions":[]}`
	var packed bytes.Buffer
	w := brotli.NewWriter(&packed)
	_, _ = io.WriteString(w, request)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ encoding, body, want string }{
		{"", request, "1 of 3 modules sent"},
		{"br", packed.String(), "1 of 3 modules sent"},
		{"zstd", request, "0 modules"},  // not known
		{"br", request, "0 modules"},    // not what it says
		{"", request[:99], "0 modules"}, // not whole
		{"", `{"odd":true}`, "0 of 0 modules sent"},
	} {
		p, seen := tapped(t, func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != c.body {
				t.Errorf("%d bytes arrived, %v", len(got), err)
			}
			_, _ = io.WriteString(w, `{"schemaChange":{}}`)
		})
		seen.Attempt(func() {})
		do(t, http.MethodPost, p.address+"/api/deploy2/start_push", strings.NewReader(c.body), http.Header{"Content-Encoding": {c.encoding}})
		deploy := seen.Snapshot()
		if got := deploy.Sent(); got != c.want {
			t.Errorf("%q body of %d bytes: %s", c.encoding, len(c.body), got)
		}
	}
}
