package convex

import (
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// secretMask returns a function that takes secrets out of what a child prints:
// those on the backend's command line, and all others of the environment, which
// functions may print. It remembers the end of each stream, so every child needs one
// of its own.
func secretMask(s *Settings, environ config.Environ) func(stream supervise.Stream, text string) string {
	secrets := redact.Secrets(environ)
	secrets["INSTANCE_SECRET"] = s.Instance.Secret.Reveal()
	secrets["AWS_SECRET_ACCESS_KEY"], secrets["AWS_SESSION_TOKEN"] = s.S3.Key.Reveal(), s.S3.Token.Reveal()
	if server, err := s.Database.Server(); err == nil && s.Database.Storage == stack.StoragePostgres {
		secrets["POSTGRES_URL"] = server.URL.String()
		secrets["DB_PASSWORD"], _ = server.URL.User.Password()
	}
	return redact.Pieces[supervise.Stream](redact.New(secrets), supervise.CutLine)
}
