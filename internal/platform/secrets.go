package platform

import (
	"maps"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
)

// redactor takes out of others' words what is secret, here and by its name
// elsewhere in the environment.
func (b *Boot) redactor() *redact.Redactor {
	secrets := redact.Secrets(b.environ)
	maps.Copy(secrets, b.secrets())
	return redact.New(secrets)
}

// secrets are all secrets of this boot by name.
func (b *Boot) secrets() map[string]string {
	secrets := map[string]string{
		"INSTANCE_SECRET": b.settings.Instance.Secret.Reveal(),
		"DB_PASSWORD":     b.settings.Pushed.Database.Password.Reveal(),
	}
	if b.client != nil {
		secrets["admin key"] = b.client.AdminKey()
	}
	for _, v := range Variables() {
		if v.Kind == KindSecret {
			secrets[v.Name] = v.Value(b.settings.Pushed)
		}
	}
	for _, name := range b.settings.Deploy.EnvSyncExtra {
		secrets[name] = b.environ[name]
	}
	secrets["CRAWLER_DATABASE_URL"] = b.environ["CRAWLER_DATABASE_URL"]
	return secrets
}
