package convexsim_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func inject(t *testing.T, s *convexsim.Server, text string) string {
	t.Helper()
	fault, err := fault.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.Inject(fault)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAStageFailsAsOftenAsAskedAndThenWorks(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
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
	s := simtest.Start(t, convexsim.Options{})
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
	s := simtest.Start(t, convexsim.Options{})
	id := inject(t, s, "stage=env_update,hang")
	done := make(chan answered, 1)
	go func() { done <- update(t, s, set("A", "1")) }()
	testkit.Eventually(t, "the request hangs", func() bool { return s.Running() == 1 })
	if got := call(t, s, http.MethodDelete, convexsim.ControlPrefix+"faults/"+id, nil); got.status != http.StatusNoContent {
		t.Fatalf("got %+v", got)
	}
	if got := <-done; got.status != http.StatusOK || s.State().Environment["A"] != "1" {
		t.Errorf("got %+v", got)
	}
}

func TestAHungRequestEndsWithTheRequestTimeout(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{RequestTimeout: 50 * time.Millisecond})
	inject(t, s, "stage=start_push,hang")
	if got := post(t, s, startPushPath, newPush(s)); got.status != http.StatusRequestTimeout || got.body != "" {
		t.Errorf("got %+v, want an empty 408", got)
	}
}

func TestWhereTheConnectionIsCut(t *testing.T) {
	for place, want := range map[string]struct{ done, head bool }{
		fault.DropRequest: {}, fault.DropHeaders: {done: true}, fault.DropBody: {done: true, head: true},
	} {
		s := simtest.Start(t, convexsim.Options{})
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
	var log testkit.Buffer
	s := simtest.Start(t, convexsim.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
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
	for text, want := range map[string]fault.Death{
		"stage=finish_push,exit=3": {Exit: 3}, "stage=finish_push,signal=KILL": {Signal: 9}, "stage=running,delay=1ms,exit=0": {},
		"stage=start,exit=7": {Exit: 7},
	} {
		parsed, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := convexsim.New(convexsim.Options{Interface: "127.0.0.1", Storage: t.TempDir(), Faults: []fault.Fault{parsed}})
		if err != nil {
			t.Fatal(err)
		}
		type end struct {
			death *fault.Death
			err   error
		}
		ended := make(chan end, 1)
		go func() { death, err := s.Run(t.Context(), nil); ended <- end{death, err} }()
		if parsed.Stage == fault.StageFinishPush {
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
	slow, err := fault.Parse("stage=start,hang")
	if err != nil {
		t.Fatal(err)
	}
	s := simtest.Start(t, convexsim.Options{Faults: []fault.Fault{slow}})
	if _, err := http.Get(s.URL() + "/version"); err == nil {
		t.Error("the port is open already")
	}
	s.Remove("")
	<-s.Ready()
	call(t, s, http.MethodGet, "/version", nil)
}

func TestFaultsOverTheControlEndpoint(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	const faults = convexsim.ControlPrefix + "faults"
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
	var stored state.State
	update(t, s, set("A", "1"))
	call(t, s, http.MethodGet, convexsim.ControlPrefix+"state", nil).decode(t, &stored)
	var requests []convexsim.Request
	call(t, s, http.MethodGet, convexsim.ControlPrefix+"requests", nil).decode(t, &requests)
	if stored.Environment["A"] != "1" || len(requests) != 2 || requests[1].Stage != fault.StageEnvUpdate {
		t.Errorf("state %+v, requests %+v", stored, requests)
	}
	call(t, s, http.MethodDelete, convexsim.ControlPrefix+"requests", nil)
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("requests %+v", got)
	}
}
