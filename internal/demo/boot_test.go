package demo

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
)

// A stage that is over early is shown after those before it.
func TestStagesAreShownInTheirOrder(t *testing.T) {
	document := func(ready bool, states ...report.State) status.Document {
		d := status.Document{Live: status.Live{Ready: ready}}
		for i, state := range states {
			d.Stages = append(d.Stages, report.Stage{Name: "stage" + strconv.Itoa(i), State: state})
		}
		return d
	}
	answers := []status.Document{
		document(false, report.Running, report.Pending, report.Skipped),
		document(false, report.Done, report.Running, report.Skipped),
		document(true, report.Done, report.Running, report.Skipped, report.Done),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(answers[0])
		answers = answers[1:]
	}))
	t.Cleanup(server.Close)
	port, err := strconv.Atoi(server.URL[strings.LastIndex(server.URL, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := &stack{screen: newScreen(&out)}
	if _, err := s.follow(t.Context(), "convex", port); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(strings.ReplaceAll(out.String(), "convex", "")), " "); got != "stage0 stage1 stage2 stage3" {
		t.Errorf("shown: %s", got)
	}
}
