package convex

import (
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/redact"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// secretMask takes secrets out of what a child prints: those on the backend's
// command line, and all others of the environment, which functions may print.
type secretMask map[supervise.Stream]func(string) string

func newSecretMask(s *Settings, environ config.Environ) secretMask {
	secrets := redact.Secrets(environ)
	secrets["INSTANCE_SECRET"] = s.Instance.Secret.Reveal()
	if server, err := s.Database.Server(); err == nil && s.Database.Storage == stack.StoragePostgres {
		secrets["POSTGRES_URL"] = server.URL.String()
		secrets["DB_PASSWORD"], _ = server.URL.User.Password()
	}
	r := redact.New(secrets)
	return secretMask{supervise.Stdout: r.Pieces(supervise.CutLine), supervise.Stderr: r.Pieces(supervise.CutLine)}
}

func (m secretMask) line(stream supervise.Stream, text string) string { return m[stream](text) }
