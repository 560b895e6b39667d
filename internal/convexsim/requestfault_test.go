package convexsim

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func inject(t *testing.T, s *Server, text string) string {
	t.Helper()
	fault, err := ParseFault(text)
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.Inject(fault)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestFaultsAreReadFromText(t *testing.T) {
	status := 3
	for text, want := range map[string]Fault{
		"stage=start_push,status=503,code=Busy,message=a b,times=2":  {Stage: StageStartPush, Status: 503, Code: "Busy", Message: "a b", Times: 2},
		`stage=function,"message=one, two"`:                          {Stage: StageFunction, Message: "one, two"},
		"stage=any,hang,delay=1.5s,after=1":                          {Stage: StageAny, Hang: true, Delay: 1500 * time.Millisecond, After: 1},
		"stage=running,exit=3,signal=TERM,flood=9":                   {Stage: StageRunning, Exit: &status, Signal: "TERM", Flood: 9},
		"stage=wait_for_schema,indexes=3,index-time=2s,race":         {Stage: StageWaitSchema, Indexes: 3, IndexTime: 2 * time.Second, Race: true},
		"stage=wait_for_schema,schema-error=bad,table=t,component=c": {Stage: StageWaitSchema, SchemaError: "bad", Table: "t", Component: "c"},
		"stage=version,version=1.2.3,drop=body,body=<html>":          {Stage: StageVersion, Version: "1.2.3", Drop: DropBody, Body: "<html>"},
	} {
		got, err := ParseFault(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var again Fault
		if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%s: came back as %+v, %v", data, again, err)
		}
	}
}

func TestBadFaultsAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		"status=503":              "the stages are start",
		"stage=nonsense":          "the stages are start",
		"stage=any,colour=red":    "the parts are stage",
		"stage=any,times=often":   "must be a whole number",
		"stage=any,delay=soon":    "must be a duration",
		"stage=any,hang=perhaps":  "must be true or false",
		"stage=any,exit=256":      "from 0 to 255",
		"stage=any,drop=nowhere":  "the places are request",
		"stage=any,status=99":     "not a status",
		"stage=any,signal=SIGFOO": "not the name of a signal",
	} {
		if _, err := ParseFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestAStageFailsAsOftenAsAskedAndThenWorks(t *testing.T) {
	s := Start(t, Options{})
	inject(t, s, "stage=start_push,status=503,code=CommitterFullError,message=full,after=1,times=2")
	push := newPush(s)
	success(t, post(t, s, startPushPath, push))
	for range 2 {
		got := post(t, s, startPushPath, push)
		wantFailure(t, "faulty", got, 503, "CommitterFullError")
		if got.body != `{"code":"CommitterFullError","message":"full"}` {
			t.Errorf("got %s", got.body)
		}
	}
	success(t, post(t, s, startPushPath, push))
	if requests := s.Requests(); requests[1].Fault != "1" || requests[3].Fault != "" || requests[1].Bytes == 0 {
		t.Errorf("logged %+v", requests)
	}
}

func TestAFaultMayBeAnyAnswer(t *testing.T) {
	s := Start(t, Options{})
	inject(t, s, "stage=check_admin_key,status=502,body=<html>Bad Gateway</html>")
	inject(t, s, "stage=env_list,status=408")
	inject(t, s, "stage=version,version=2026.1.2-abc")
	if got := call(t, s, http.MethodGet, checkKey, nil); got.status != 502 || got.body != "<html>Bad Gateway</html>" {
		t.Errorf("got %+v", got)
	}
	if got := call(t, s, http.MethodGet, listEnv, nil); got.status != 408 || got.body != "" {
		t.Errorf("got %+v, want an empty 408", got)
	}
	if got := call(t, s, http.MethodGet, "/version", nil); got.body != "2026.1.2-abc" {
		t.Errorf("got %+v", got)
	}
}

func TestAHungRequestGoesOnWhenTheFaultIsRemoved(t *testing.T) {
	s := Start(t, Options{})
	id := inject(t, s, "stage=env_update,hang")
	done := make(chan answered, 1)
	go func() { done <- update(t, s, set("A", "1")) }()
	testkit.Eventually(t, "the request hangs", func() bool { return len(s.apiPermits) == 1 })
	if got := call(t, s, http.MethodDelete, controlPrefix+"faults/"+id, nil); got.status != http.StatusNoContent {
		t.Fatalf("got %+v", got)
	}
	if got := <-done; got.status != http.StatusOK || s.State().Environment["A"] != "1" {
		t.Errorf("got %+v", got)
	}
}

func TestAHungRequestEndsWithTheRequestTimeout(t *testing.T) {
	s := Start(t, Options{RequestTimeout: 50 * time.Millisecond})
	inject(t, s, "stage=start_push,hang")
	if got := post(t, s, startPushPath, newPush(s)); got.status != http.StatusRequestTimeout || got.body != "" {
		t.Errorf("got %+v, want an empty 408", got)
	}
}

func TestWhereTheConnectionIsCut(t *testing.T) {
	for place, want := range map[string]struct{ done, head bool }{
		DropRequest: {}, DropHeaders: {done: true}, DropBody: {done: true, head: true},
	} {
		s := Start(t, Options{})
		started := mustStart(t, s, newPush(s))
		inject(t, s, "stage=finish_push,times=1,drop="+place)
		body := mustJSON(t, object{"adminKey": s.AdminKey(), "startPush": started, "dryRun": false})
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+finishPath, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
		}
		if err == nil || (response != nil) != want.head {
			t.Errorf("%s: head %v, error %v", place, response != nil, err)
		}
		if pushes := s.State().Pushes; (pushes == 1) != want.done {
			t.Errorf("%s: %d pushes", place, pushes)
		}
	}
}

func TestDelayAndFlood(t *testing.T) {
	var log bytes.Buffer
	s := Start(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	inject(t, s, "stage=version,delay=30ms,flood=5")
	began := time.Now()
	call(t, s, http.MethodGet, "/version", nil)
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if got := strings.Count(log.String(), "noise"); got != 5 {
		t.Errorf("%d lines of noise", got)
	}
}

func TestAFaultEndsTheSimulator(t *testing.T) {
	for text, want := range map[string]Death{
		"stage=finish_push,exit=3": {Exit: 3}, "stage=finish_push,signal=KILL": {Signal: 9}, "stage=running,delay=1ms,exit=0": {},
		"stage=start,exit=7": {Exit: 7},
	} {
		fault, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(Options{Interface: "127.0.0.1", Storage: t.TempDir(), Faults: []Fault{fault}})
		if err != nil {
			t.Fatal(err)
		}
		type end struct {
			death *Death
			err   error
		}
		ended := make(chan end, 1)
		go func() { death, err := s.Run(t.Context(), nil); ended <- end{death, err} }()
		if fault.Stage == StageFinishPush {
			<-s.Ready()
			response, err := http.Post(s.URL()+finishPath, "application/json", strings.NewReader("{}"))
			if err == nil {
				_ = response.Body.Close()
				t.Errorf("%s: got an answer", text)
			}
		}
		if got := <-ended; got.err != nil || got.death == nil || *got.death != want {
			t.Errorf("%s: ended with %v, %v; want %v", text, got.death, got.err, want)
		}
	}
}

func TestASlowStart(t *testing.T) {
	fault, err := ParseFault("stage=start,hang")
	if err != nil {
		t.Fatal(err)
	}
	s := Start(t, Options{Faults: []Fault{fault}})
	if _, err := http.Get(s.URL() + "/version"); err == nil {
		t.Error("the port is open already")
	}
	s.Remove("")
	<-s.Ready()
	call(t, s, http.MethodGet, "/version", nil)
}

func TestFaultsOverTheControlEndpoint(t *testing.T) {
	s := Start(t, Options{})
	const faults = controlPrefix + "faults"
	got := call(t, s, http.MethodPost, faults, `{"stage":"version","status":503,"times":1,"delay":"1ms"}`)
	if got.body != `{"id":"1"}` {
		t.Fatalf("got %+v", got)
	}
	if got := call(t, s, http.MethodGet, faults, nil); got.body != `[{"delay":"1ms","id":"1","stage":"version","status":503,"times":1}]` {
		t.Errorf("got %s", got.body)
	}
	if got := call(t, s, http.MethodGet, "/version", nil); got.status != 503 {
		t.Errorf("got %+v", got)
	}
	wantFailure(t, "bad fault", call(t, s, http.MethodPost, faults, `{"stage":"nonsense"}`), 400, "BadFault")
	if got := call(t, s, http.MethodDelete, faults+"/9", nil); got.status != 404 {
		t.Errorf("removing what is not there: %+v", got)
	}
	call(t, s, http.MethodDelete, faults, nil)
	if got := call(t, s, http.MethodGet, faults, nil); got.body != "[]" {
		t.Errorf("got %s", got.body)
	}
	var state State
	update(t, s, set("A", "1"))
	call(t, s, http.MethodGet, controlPrefix+"state", nil).decode(t, &state)
	var requests []Request
	call(t, s, http.MethodGet, controlPrefix+"requests", nil).decode(t, &requests)
	if state.Environment["A"] != "1" || len(requests) != 2 || requests[1].Stage != StageEnvUpdate {
		t.Errorf("state %+v, requests %+v", state, requests)
	}
	call(t, s, http.MethodDelete, controlPrefix+"requests", nil)
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %+v", got)
	}
}
