package postgres

import (
	"context"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Every cause that the source knows has all that its reader needs, at once and as the
// last word of a wait.
func TestEveryCauseIsExplained(t *testing.T) {
	source, err := os.ReadFile("failure.go")
	if err != nil {
		t.Fatal(err)
	}
	causes := regexp.MustCompile(`(?m)^\tcause\w+ +cause = "(.*)"`).FindAllStringSubmatch(string(source), -1)
	if len(causes) < 18 {
		t.Fatalf("only %d causes", len(causes))
	}
	for _, used := range []bool{false, true} {
		login := Login{Server: stack.Postgres{URL: &url.URL{Host: "db:5432", User: url.UserPassword("tale", "canary")}}, Database: "tale_platform", Used: used}
		for _, found := range causes {
			failed := login.verdict(cause(found[1]), "it is so")
			late := &lateError{&health.GaveUpError{Wait: health.Wait{What: "Postgres at db:5432"}, Last: failed}}
			for _, f := range []report.Failure{failed.Report(), late.Report()} {
				text := f.Text()
				for _, part := range []string{"said", "cause", "fix", "retry"} {
					if !regexp.MustCompile(`(?m)^  ` + part + ` +\S`).MatchString(text) {
						t.Errorf("%s: no %s:\n%s", found[1], part, text)
					}
				}
				if strings.Contains(text, "canary") || strings.Contains(text, "%!") {
					t.Errorf("%s:\n%s", found[1], text)
				}
			}
		}
	}
}

// A database that this volume has used is not to be made anew, empty; and a server that
// says nothing is told from one that is not there.
func TestWhatAnOperatorReadsOfAServer(t *testing.T) {
	missing := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("3D000", "no database") })
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	at := place.Here()
	for name, tt := range map[string]struct {
		address string
		used    bool
		cause   string
		fix     string // begins with this
	}{
		"new volume":  {missing.Addr(), false, "INSTANCE_NAME was changed", "create it: createdb -h 127.0.0.1 -p "},
		"used volume": {missing.Addr(), true, "what was in it is not there", "bring back the server"},
		"silent":      {silent.Addr().String(), false, "accepts connections but does not answer", at.Tail(50, "db")},
		"no name":     {"no-such-host.invalid:5432", false, "a stopped container has no name", at.State("db")},
	} {
		login := loginTo(missing, stack.SSLDisable, "")
		login.Database, login.Used = "tale_platform", tt.used
		login.Server.URL.Host = tt.address
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := login.Try(ctx)
		cancel()
		f := report.Explain("storage", err)
		if !strings.Contains(f.Cause, tt.cause) || !strings.HasPrefix(f.Fix[0], tt.fix) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
