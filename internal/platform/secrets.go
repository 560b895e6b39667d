package platform

import (
	"maps"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
)

// redactor takes out of others' words what is secret, here and by its name
// elsewhere in the environment.
func (s *session) redactor() *redact.Redactor {
	secrets := redact.Secrets(s.environ)
	maps.Copy(secrets, s.secrets())
	return redact.New(secrets)
}

// secrets returns all secrets of this process by name.
func (s *session) secrets() map[string]string {
	secrets := map[string]string{
		"INSTANCE_SECRET": s.settings.Instance.Secret.Reveal(),
		"DB_PASSWORD":     s.settings.Pushed.Database.Password.Reveal(),
	}
	if s.client != nil {
		secrets["admin key"] = s.client.AdminKey()
	}
	for _, v := range Variables() {
		if v.Kind == KindSecret {
			secrets[v.Name] = v.Value(s.settings.Pushed)
		}
	}
	for _, name := range s.settings.Deploy.EnvSyncExtra {
		secrets[name] = s.environ[name]
	}
	secrets["CRAWLER_DATABASE_URL"] = s.environ["CRAWLER_DATABASE_URL"]
	return secrets
}
