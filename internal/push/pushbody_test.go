package push

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestStartBodyReplacesWhatTheDeploymentHas(t *testing.T) {
	request := newTestRequest()
	r := openRequest(t, request)
	deployed := map[string]ModuleHash{}
	for _, m := range request.AppDefinition.ChangedModules {
		deployed[m.Path] = ModuleHash{m.Path, m.sha256(), m.Environment}
	}
	messages, actions := request.AppDefinition.ChangedModules[0], request.AppDefinition.ChangedModules[1]
	deployed[messages.Path] = ModuleHash{messages.Path, strings.Repeat("0", 64), messages.Environment}
	deployed[actions.Path] = ModuleHash{actions.Path, actions.sha256(), "isolate"} // was no node module before

	got, changed := decodeBody(t, r, `real|"key`, deployed)
	want := request
	want.AdminKey = `real|"key`
	want.AppDefinition.ChangedModules = []testModule{messages, actions}
	auth := request.AppDefinition.ChangedModules[2]
	want.AppDefinition.Unchanged = []map[string]any{{"path": auth.Path, "environment": "isolate", "sha256": auth.sha256()}}
	if changed != 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d changed\n got %+v\nwant %+v", changed, got, want)
	}
}

func TestStartBodyOfANewDeploymentIsTheFile(t *testing.T) {
	request := newTestRequest()
	r := openRequest(t, request)
	got, changed := decodeBody(t, r, "k", nil)
	request.AdminKey = "k"
	if changed != 3 || !reflect.DeepEqual(got, request) {
		t.Errorf("%d changed\n got %+v\nwant %+v", changed, got, request)
	}
}

func TestStartBodyWithNothingChanged(t *testing.T) {
	request := newTestRequest()
	r := openRequest(t, request)
	deployed := map[string]ModuleHash{}
	for _, m := range request.AppDefinition.ChangedModules {
		deployed[m.Path] = ModuleHash{m.Path, m.sha256(), m.Environment}
	}
	got, changed := decodeBody(t, r, "k", deployed)
	if changed != 0 || len(got.AppDefinition.ChangedModules) != 0 || len(got.AppDefinition.Unchanged) != 3 || len(got.Components[0].Functions) != 1 {
		t.Errorf("%d changed, %+v", changed, got)
	}
}

func decodeBody(t *testing.T, r *RequestFile, key string, deployed map[string]ModuleHash) (testRequest, int) {
	t.Helper()
	body, changed, err := startBody(r, key, deployed)
	if err != nil {
		t.Fatal(err)
	}
	content, length, encoding := body.open(true)
	sent, err := io.ReadAll(content)
	if err != nil || encoding != "" || int64(len(sent)) != length {
		t.Fatalf("encoding %q, %d bytes, announced %d, error %v", encoding, len(sent), length, err)
	}
	var got testRequest
	if err := json.Unmarshal(sent, &got); err != nil {
		t.Fatal(err)
	}
	return got, changed
}

func openRequest(t *testing.T, request testRequest) *RequestFile {
	t.Helper()
	r, err := OpenRequestFile(request.write(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}
