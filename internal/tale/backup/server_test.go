package backup

import (
	"io"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// realServer returns a real server of its own as one whose programs are in a container.
func realServer(t *testing.T) Server {
	t.Helper()
	testkit.Psql(t)
	s := serverOf(t, testkit.StartPostgres(t))
	testkit.Eventually(t, "the server answers", func() bool { return s.answers(t.Context()) })
	return s
}

// serverOf returns the server at a URL that way.
func serverOf(t *testing.T, u *url.URL) Server {
	t.Helper()
	return serverThrough(t, u, func(run enginetest.ProgramFunc) enginetest.ProgramFunc { return run })
}

// serverThrough returns it with something between it and what runs its programs.
func serverThrough(t *testing.T, u *url.URL, between func(enginetest.ProgramFunc) enginetest.ProgramFunc) Server {
	t.Helper()
	password, _ := u.User.Password()
	docker := enginetest.New(t)
	docker.AddContainer(enginetest.Container{Name: "db", Image: "x", Running: true})
	docker.SetProgram(between(func(_ string, command []string, in io.Reader, out, errs io.Writer) int {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		run.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(), "PGPASSWORD="+password)
		run.Stdin, run.Stdout, run.Stderr = in, out, errs
		_ = run.Run()
		return run.ProcessState.ExitCode()
	}))
	return Server{Engine: docker.Connect(t, engine.Options{}), Project: "shop-1", Container: "db", Environ: map[string]string{}}
}
