package stack

import (
	"fmt"
	"regexp"

	"github.com/tale-project/tale-runtime/internal/config"
)

// SignIn names the headers in which a proxy in front says who the user is.
type SignIn struct {
	EmailHeader string `env:"TRUSTED_EMAIL_HEADER" doc:"Header with the user's e-mail address. The proxy removes it from a peer that is not in TRUSTED_PROXIES, as it does the usual headers of sign-in proxies." accept:"letters, digits and dashes, such as Remote-Email"`
	NameHeader  string `env:"TRUSTED_NAME_HEADER" doc:"Header with the user's name; removed likewise." accept:"letters, digits and dashes, such as Remote-Name"`
	RoleHeader  string `env:"TRUSTED_ROLE_HEADER" doc:"Header with the user's role; removed likewise." accept:"letters, digits and dashes, such as Remote-Role"`
	TeamsHeader string `env:"TRUSTED_TEAMS_HEADER" doc:"Header with the user's teams; removed likewise." accept:"letters, digits and dashes, such as Remote-Groups"`
}

var headerNameForm = regexp.MustCompile(`^[A-Za-z0-9-]*$`)

// Validate reports names that Caddy removes, because servers read them as if they
// had dashes.
func (s SignIn) Validate() config.Problems {
	var problems config.Problems
	for _, header := range []struct{ variable, name string }{
		{"TRUSTED_EMAIL_HEADER", s.EmailHeader},
		{"TRUSTED_NAME_HEADER", s.NameHeader},
		{"TRUSTED_ROLE_HEADER", s.RoleHeader},
		{"TRUSTED_TEAMS_HEADER", s.TeamsHeader},
	} {
		if !headerNameForm.MatchString(header.name) {
			problems = append(problems, config.Problem{
				Variable: header.variable, Wrong: fmt.Sprintf("%q is no header name that comes through", header.name),
			})
		}
	}
	return problems
}
