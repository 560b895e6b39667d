package backend

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// dashboard returns a backend that answers the queries about indexes.
func dashboard(t *testing.T, asked *[]string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Path string
			Args json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		*asked = append(*asked, request.Path+string(request.Args))
		switch {
		case strings.HasSuffix(request.Path, "components:list"):
			_, _ = io.WriteString(w, `{"status":"success","value":[{"id":"root","path":""},{"id":"k17","path":"counter"}]}`)
		case strings.Contains(string(request.Args), "notes"):
			_, _ = io.WriteString(w, `{"status":"success","value":[
				{"name":"by_n","staged":false,"backfill":{"state":"backfilling","stats":{"numDocsIndexed":120,"totalDocs":400}}},
				{"name":"by_x","staged":true,"backfill":{"state":"backfilling","stats":{"numDocsIndexed":5,"totalDocs":9}}},
				{"name":"by_y","staged":false,"backfill":{"state":"done"}}]}`)
		default:
			_, _ = io.WriteString(w, `{"status":"success","value":[{"name":"i","staged":false,"backfill":{"state":"backfilling","stats":{"numDocsIndexed":7,"totalDocs":null}}}]}`)
		}
	}))
	t.Cleanup(server.Close)
	return newTestClient(t, server.URL)
}

func TestCountIndexedSumsUpUnfinishedBackfills(t *testing.T) {
	var asked []string
	client := dashboard(t, &asked)
	documents, total, err := client.CountIndexed(t.Context(), []Table{{"", "notes"}, {"counter", "shards"}, {"new", "t"}})
	if err != nil || documents != 127 || total != 400 {
		t.Errorf("%d of %d, %v", documents, total, err)
	}
	want := []string{
		`_system/frontend/components:list{}`,
		`_system/frontend/indexes{"tableName":"notes","tableNamespace":null}`,
		`_system/frontend/indexes{"tableName":"shards","tableNamespace":"k17"}`,
	}
	if fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked %v", asked)
	}
}
