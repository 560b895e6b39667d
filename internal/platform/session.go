package platform

import (
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// session is what talks to the backend: a boot has one, and so has each command
// that only asks.
type session struct {
	settings *Settings
	environ  config.Environ
	client   *backend.Client // nil before connect
}

// openSession returns a session that is connected.
func openSession(environ config.Environ) (*session, error) {
	settings, err := Load(environ)
	if err != nil {
		return nil, err
	}
	s := &session{settings: settings, environ: environ}
	return s, s.connect()
}

// connect mints a key for the backend. The key never leaves this process but
// in requests to CONVEX_URL and in the environment of the CLI driver.
func (s *session) connect() error {
	key, err := s.settings.Instance.AdminKey()
	if err != nil {
		return report.New(exit.Config, err.Error(), "no admin key can be made of INSTANCE_NAME and INSTANCE_SECRET", "correct them in "+place.Here().Settings()+", the same for convex and platform").Err(err)
	}
	if s.client, err = backend.NewClient(s.settings.Backend.ConvexURL, key); err != nil {
		return report.New(exit.Config, err.Error(), "CONVEX_URL is no URL that a backend can be asked at", "CONVEX_URL=http://convex:3210 in "+place.Here().Settings()+", or take it out").Err(err)
	}
	s.client.Secrets = s.redactor()
	return nil
}
