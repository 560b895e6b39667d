package fault

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

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
		got, err := Parse(text)
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
		"stage=any,signal=SIGFOO": "unknown signal",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
