package backend

import (
	"net/http"
	"testing"
)

func TestArgumentlessQuery(t *testing.T) {
	const (
		mutation = `{"identifier":"a.js:m","functionType":"Mutation","visibility":{"kind":"public"},"args":{"type":"object","value":{}}}`
		internal = `{"identifier":"a.js:i","functionType":"Query","visibility":{"kind":"internal"},"args":{"type":"object","value":{}}}`
		required = `{"identifier":"a.js:r","functionType":"Query","visibility":{"kind":"public"},"args":{"type":"object","value":{"id":{"fieldType":{"type":"string"},"optional":false}}}}`
		route    = `{"functionType":"HttpAction","method":"GET","path":"/x"}`
		optional = `{"identifier":"dir/b.js:o","functionType":"Query","visibility":{"kind":"public"},"args":{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":true}}}}`
		anything = `{"identifier":"c.js:default","functionType":"Query","visibility":{"kind":"public"},"args":{"type":"any"}}`
	)
	for list, want := range map[string]string{
		"": "", mutation: "", internal: "", required: "", route: "", optional: "dir/b:o", anything: "c:default",
		mutation + "," + required + "," + route + "," + optional + "," + anything: "dir/b:o",
		// What comes after the first one is not read.
		anything + ",!": "c:default",
	} {
		client, _ := answer(t, http.StatusOK, `{"status":"success","value":[`+list+`],"logLines":[]}`)
		if got, err := client.ArgumentlessQuery(t.Context()); err != nil || got != want {
			t.Errorf("%s: %q, %v", list, got, err)
		}
	}
	for _, body := range []string{`{"status":"error","errorMessage":"too many reads"}`, `{}`, `{"value":[{`, `<html>`, ``} {
		client, _ := answer(t, http.StatusOK, body)
		if got, err := client.ArgumentlessQuery(t.Context()); err == nil {
			t.Errorf("%s: %q", body, got)
		}
	}
}

// The row of a backend whose database a newer one has migrated has no state.
func TestDeploymentState(t *testing.T) {
	for value, want := range map[string]string{
		`{"_id":"x","state":"paused"}`: "paused", `{"state":"running"}`: StateRunning, `{"system":"running","user":"paused"}`: "",
	} {
		client, _ := answer(t, http.StatusOK, `{"status":"success","value":`+value+`}`)
		if got, err := client.DeploymentState(t.Context()); err != nil || got != want {
			t.Errorf("%s: %q, %v", value, got, err)
		}
	}
}
