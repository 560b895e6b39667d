package enginetest

import (
	"cmp"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Environ returns the environment of a user of the engine, whose home is empty.
func (s *Server) Environ(t testing.TB) config.Environ {
	return config.Environ{"DOCKER_HOST": s.Host(), "HOME": t.TempDir()}
}

// Connect connects to the engine, until the end of the test. Without an environment among
// the options it is that of a user with an empty home.
func (s *Server) Connect(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	o.Host = cmp.Or(o.Host, s.Host())
	if o.Environ == nil {
		o.Environ = config.Environ{"HOME": t.TempDir(), "PATH": os.Getenv("PATH")}
	}
	e, err := engine.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}
