package redact

import (
	"net/url"
	"regexp"
)

// secretName is how variables are called that hold a secret.
var secretName = regexp.MustCompile(`(?i)(SECRET|PASSWORD|PASSWD|TOKEN|KEY|DSN|CREDENTIALS?)(_HEX)?$`)

// Secrets returns the secrets of an environment by the names of their variables:
// what is called one, and the passwords in URLs.
func Secrets(environ map[string]string) map[string]string {
	secrets := map[string]string{}
	for name, value := range environ {
		if secretName.MatchString(name) {
			secrets[name] = value
		}
		if u, err := url.Parse(value); err == nil && u.User != nil {
			if password, set := u.User.Password(); set {
				secrets[name] = value
				secrets["password of "+name] = password
			}
		}
	}
	return secrets
}
