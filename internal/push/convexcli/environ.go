package convexcli

import (
	"strings"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
)

// misleading are the variables that would lead the CLI to another deployment,
// through a proxy, to a log that shows values, or to its makers. They are
// set to "" and not left out: the CLI (and bun) also reads .env and .env.local of
// the app's folder, and those only fill in what is not set.
var misleading = []string{
	"CONVEX_DEPLOYMENT", "CONVEX_DEPLOY_KEY", "CONVEX_DEPLOYMENT_TOKEN", "CONVEX_URL", "CONVEX_SITE_URL",
	"CONVEX_OVERRIDE_ACCESS_TOKEN", "CONVEX_PROVISION_HOST", "CONVEX_VERBOSE", "CONVEX_AGENT_MODE",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
	"VERCEL", "SENTRY_DSN",
}

// environ returns the environment of the CLI: credentials go in here, never into
// its arguments, which every process of the machine can read. Variables whose
// value is a secret of ours are left out: the CLI needs none of them.
func environ(base []string, url, adminKey string, secrets map[string]string) []string {
	ours := map[string]string{
		"CONVEX_SELF_HOSTED_URL":       url,
		"CONVEX_SELF_HOSTED_ADMIN_KEY": adminKey,
		"CI":                           "1", // no error reports to the CLI's makers, no questions
		"NO_COLOR":                     "1",
		"NO_PROXY":                     "127.0.0.1",
	}
	for _, name := range misleading {
		ours[name] = ""
	}
	withheld := map[string]bool{}
	for _, value := range secrets {
		withheld[value] = len(value) >= redact.MinLength
	}
	var environ []string
	for _, variable := range base {
		name, value, _ := strings.Cut(variable, "=")
		if _, replaced := ours[name]; !replaced && !withheld[value] {
			environ = append(environ, variable)
		}
	}
	for name, value := range ours {
		environ = append(environ, name+"="+value)
	}
	return environ
}
