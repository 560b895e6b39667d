package convex

import "strings"

// secretMask takes the secrets on the backend's command line out of what it
// prints.
type secretMask []maskedSecret

type maskedSecret struct{ value, name string }

func newSecretMask(s *Settings) secretMask {
	candidates := []maskedSecret{{s.Instance.Secret.Reveal(), "[INSTANCE_SECRET]"}}
	if server, err := s.Database.server(); err == nil && s.Database.Storage == storagePostgres {
		password, _ := server.url.User.Password()
		candidates = append(candidates, maskedSecret{server.url.String(), "[POSTGRES_URL]"}, maskedSecret{password, "[DB_PASSWORD]"})
	}
	var mask secretMask
	for _, candidate := range candidates {
		if len(candidate.value) >= 6 { // shorter ones are part of every second word
			mask = append(mask, candidate)
		}
	}
	return mask
}

// Replace puts names in the place of values.
func (m secretMask) Replace(line string) string {
	for _, secret := range m {
		line = strings.ReplaceAll(line, secret.value, secret.name)
	}
	return line
}
