package limits

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func logged(r *refusals) *bytes.Buffer {
	var out bytes.Buffer
	r.log, r.quiet = slog.New(slog.NewTextHandler(&out, nil)), time.Hour
	return &out
}

func TestRefusalsAreSaidOnceAndThenCounted(t *testing.T) {
	var r refusals
	out := logged(&r)
	for range 1000 {
		r.note(network(1), tooSlow)
	}
	r.note(network(1), tooManyUploads)
	r.note(network(2), tooSlow)
	if lines := strings.Count(out.String(), "\n"); lines != 3 || strings.Count(out.String(), "count=1\n") != 3 {
		t.Errorf("%d lines:\n%s", lines, out)
	}
	out.Reset()
	r.sum()
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "network=10.0.0.1/32 limit=body_rate count=999") {
		t.Errorf("a minute later: %s", got)
	}
	out.Reset()
	r.sum()
	r.sum()
	if out.Len() > 0 || len(r.since) > 0 {
		t.Errorf("when it has stopped: %d networks, %s", len(r.since), out)
	}
	r.note(network(1), tooSlow)
	if !strings.Contains(out.String(), "count=1\n") {
		t.Errorf("when it begins again: %s", out)
	}
}

func TestManyNetworksDoNotFloodTheLog(t *testing.T) {
	var r refusals
	out := logged(&r)
	for n := range 10_000 {
		r.note(network(n), tooManyConnections)
	}
	r.sum()
	if lines := strings.Count(out.String(), "\n"); lines > mostNamed+2 || !strings.Contains(out.String(), "network=others limit=connections count=9979") {
		t.Errorf("%d lines:\n%s", lines, out)
	}
}
