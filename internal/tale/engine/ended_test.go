package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// TestCodesOfProgramsAreNotThoseOfTale: psql ends with 2 where tale would say that its
// operator declined.
func TestCodesOfProgramsAreNotThoseOfTale(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x:1", Running: true})
	for _, code := range []int{1, 2, 3, 10, 11, exit.Usage, exit.Config, exit.Interrupted, 137, 255} {
		server.SetExec(func(string, []string, string) (string, string, int) { return "", "psql: error: gone", code })
		err := e.Stream(t.Context(), "db", []string{"psql"}, nil, engine.Streams{})
		ended, is := errors.AsType[*engine.EndedError](err)
		if !is || ended.Code != code || ended.Said != "psql: error: gone" || ended.Killed() != (code == 137 || code == exit.Interrupted || code == 255) {
			t.Errorf("%d: %+v", code, err)
		}
		if got := exit.Code(err); got != exit.Failure {
			t.Errorf("psql's %d is %d of tale", code, got)
		}
	}
}

// TestAProgramThatEndsBeforeItHasReadAll: its end is told, and not that of the connection,
// which the engine resets then.
func TestAProgramThatEndsBeforeItHasReadAll(t *testing.T) {
	server, e := fake(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x:1", Running: true})
	ends := func(_ context.Context, _ string, _ []string, in io.Reader, _, talk io.Writer) error {
		_, err := io.ReadFull(in, make([]byte, 100_000))
		_, _ = io.WriteString(talk, "the disk is full")
		return errors.Join(exit.Errorf(exit.Unavailable, "full"), err)
	}
	server.SetHelper(ends)
	server.SetProgram(func(_ string, _ []string, in io.Reader, out, errs io.Writer) int {
		return exit.Code(ends(t.Context(), "", nil, in, out, errs))
	})
	for name, run := range map[string]func(engine.Streams) error{
		"in a container": func(s engine.Streams) error {
			return e.Stream(t.Context(), "db", []string{"pg_restore"}, nil, s)
		},
		"helper": func(s engine.Streams) error {
			return e.Attend(t.Context(), engine.HelperOptions{Args: []string{"backup-unpack"}}, s)
		},
	} {
		err := run(engine.Streams{In: bytes.NewReader(make([]byte, 4<<20))})
		ended, is := errors.AsType[*engine.EndedError](err)
		if !is || ended.Code != exit.Unavailable || ended.Said != "the disk is full" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAProgramWithoutInput is heard to its end through what ends both directions of a connection when
// one has ended, as some do that are put before an engine.
func TestAProgramWithoutInput(t *testing.T) {
	server, _ := fake(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x:1", Running: true})
	server.SetProgram(func(_ string, _ []string, _ io.Reader, out, _ io.Writer) int {
		<-time.After(100 * time.Millisecond) // at work
		_, _ = io.WriteString(out, "all")
		return 0
	})
	between := newProxy(t, strings.TrimPrefix(server.Host(), "unix://"))
	between.both = true
	e := connect(t, engine.Options{Host: "tcp://" + between.Addr().String()})
	if said, _, code, err := e.Exec(t.Context(), "db", []string{"pg_isready"}, nil); said != "all" || code != 0 || err != nil {
		t.Errorf("%q, %d, %v", said, code, err)
	}
	var out strings.Builder
	if err := e.Stream(t.Context(), "db", []string{"pg_dump"}, nil, engine.Streams{Out: &out}); out.String() != "all" || err != nil {
		t.Errorf("%q, %v", out.String(), err)
	}
}
