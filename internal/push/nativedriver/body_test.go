package nativedriver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

func TestStartBodyReplacesWhatTheDeploymentHas(t *testing.T) {
	request := pushtest.NewRequest()
	r := openRequest(t, request)
	deployed := map[string]backend.ModuleHash{}
	for _, m := range request.AppDefinition.ChangedModules {
		deployed[m.Path] = backend.ModuleHash{Path: m.Path, SHA256: m.SHA256(), Environment: m.Environment}
	}
	messages, actions := request.AppDefinition.ChangedModules[0], request.AppDefinition.ChangedModules[1]
	deployed[messages.Path] = backend.ModuleHash{Path: messages.Path, SHA256: strings.Repeat("0", 64), Environment: messages.Environment}
	deployed[actions.Path] = backend.ModuleHash{Path: actions.Path, SHA256: actions.SHA256(), Environment: "isolate"} // was no node module before

	got, changed := decodeBody(t, r, `real|"key`, deployed)
	want := request
	want.AdminKey = `real|"key`
	want.AppDefinition.ChangedModules = []pushtest.Module{messages, actions}
	auth := request.AppDefinition.ChangedModules[2]
	want.AppDefinition.Unchanged = []map[string]any{{"path": auth.Path, "environment": "isolate", "sha256": auth.SHA256()}}
	if changed != 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d changed\n got %+v\nwant %+v", changed, got, want)
	}
}

func TestStartBodyOfANewDeploymentIsTheFile(t *testing.T) {
	request := pushtest.NewRequest()
	r := openRequest(t, request)
	got, changed := decodeBody(t, r, "k", nil)
	request.AdminKey = "k"
	if changed != 3 || !reflect.DeepEqual(got, request) {
		t.Errorf("%d changed\n got %+v\nwant %+v", changed, got, request)
	}
}

func TestStartBodyWithNothingChanged(t *testing.T) {
	request := pushtest.NewRequest()
	r := openRequest(t, request)
	deployed := map[string]backend.ModuleHash{}
	for _, m := range request.AppDefinition.ChangedModules {
		deployed[m.Path] = backend.ModuleHash{Path: m.Path, SHA256: m.SHA256(), Environment: m.Environment}
	}
	got, changed := decodeBody(t, r, "k", deployed)
	if changed != 0 || len(got.AppDefinition.ChangedModules) != 0 || len(got.AppDefinition.Unchanged) != 3 || len(got.Components[0].Functions) != 1 {
		t.Errorf("%d changed, %+v", changed, got)
	}
}

// A container that is stopped does not compress the rest first.
func TestCompressionEndsWithTheContext(t *testing.T) {
	large := &body{}
	large.literal(make([]byte, 2*compressFrom))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	content, _, _ := large.open(ctx, true)
	if _, err := io.ReadAll(content); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func decodeBody(t *testing.T, r *requestfile.File, key string, deployed map[string]backend.ModuleHash) (pushtest.Request, int) {
	t.Helper()
	body, changed, err := startBody(r, key, deployed)
	if err != nil {
		t.Fatal(err)
	}
	content, length, encoding := body.open(t.Context(), true)
	sent, err := io.ReadAll(content)
	if err != nil || encoding != "" || int64(len(sent)) != length {
		t.Fatalf("encoding %q, %d bytes, announced %d, error %v", encoding, len(sent), length, err)
	}
	var got pushtest.Request
	if err := json.Unmarshal(sent, &got); err != nil {
		t.Fatal(err)
	}
	return got, changed
}

func openRequest(t *testing.T, request pushtest.Request) *requestfile.File {
	t.Helper()
	r, err := requestfile.Open(request.Write(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}
