package backend

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestFunction(t *testing.T) {
	client, last := answer(t, http.StatusOK, `{"status":"success","value":{"moved":3},"logLines":["[LOG] 'moved'",{"odd":1}]}`)
	result, err := client.Function(t.Context(), time.Second, "migrations:runAll", nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(result.Value) != `{"moved":3}` || !slices.Equal(result.LogLines, []string{"[LOG] 'moved'", `{"odd":1}`}) {
		t.Errorf("result %s, %q", result.Value, result.LogLines)
	}
	body, _ := io.ReadAll(last.Body)
	if string(body) != `{"path":"migrations:runAll","args":{},"format":"json"}` {
		t.Errorf("sent %s", body)
	}
}

func TestFunctionFails(t *testing.T) {
	client, _ := answer(t, http.StatusOK, `{"status":"error","errorMessage":"Uncaught Error: no table\n    at handler"}`)
	_, err := client.Function(t.Context(), time.Second, "migrations:runAll", nil)
	var failed *FunctionError
	if !errors.As(err, &failed) || err.Error() != "migrations:runAll failed: Uncaught Error: no table" {
		t.Errorf("error %v", err)
	}
	client, _ = answer(t, http.StatusOK, `{"status":"maybe"}`)
	if _, err = client.Function(t.Context(), time.Second, "a:b", nil); err == nil || errors.As(err, &failed) {
		t.Errorf("error %v", err)
	}
}
