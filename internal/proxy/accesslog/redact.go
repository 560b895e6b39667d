package accesslog

import (
	"net/url"
	"slices"
	"strings"
)

// redacted stands for the value of a parameter that is nobody's business.
const redacted = "REDACTED"

// maxLogged is how much of a path or a query is logged, in bytes.
const maxLogged = 2 << 10

// secretNames are query parameters that carry secrets: of OAuth and OpenID
// Connect, SAML, signed URLs, and what people call them. They are lower case.
var secretNames = []string{
	"auth", "authorization", "code", "state", "nonce", "code_verifier", "assertion", "samlrequest", "samlresponse", "relaystate",
	"key", "jwt", "otp", "pin", "pwd", "sig", "session", "sessionid", "session_id", "sid", "ticket", "hmac",
}

// secretParts make a name a secret's wherever they are in it. The Convex backend
// takes adminKey in the place of an Authorization header.
var secretParts = []string{"token", "secret", "passw", "signature", "credential", "apikey", "api_key", "api-key", "adminkey", "admin_key", "deploykey", "deploy_key"}

// redactor takes secrets out of query strings.
type redactor struct {
	names map[string]bool
}

func newRedactor(more []string) redactor {
	r := redactor{names: make(map[string]bool)}
	for _, name := range slices.Concat(secretNames, more) {
		r.names[strings.ToLower(name)] = true
	}
	return r
}

// query is the query string with the values of secrets replaced. Everything else
// stays as it was sent.
func (r redactor) query(raw string) string {
	if raw == "" || !r.hasSecret(raw) {
		return raw
	}
	var out strings.Builder
	out.Grow(len(raw))
	for raw != "" {
		end := strings.IndexAny(raw, "&;")
		pair, separator := raw, ""
		if end >= 0 {
			pair, separator = raw[:end], raw[end:end+1]
		}
		raw = raw[len(pair)+len(separator):]
		name, _, _ := strings.Cut(pair, "=")
		if r.secret(pair) {
			pair = name + "=" + redacted
		}
		out.WriteString(pair)
		out.WriteString(separator)
	}
	return out.String()
}

func (r redactor) hasSecret(raw string) bool {
	for pair := range strings.FieldsFuncSeq(raw, func(c rune) bool { return c == '&' || c == ';' }) {
		if r.secret(pair) {
			return true
		}
	}
	return false
}

// secret tells whether a parameter has a value that must not be logged: by its
// name, or because the value is a URL with such a parameter.
func (r redactor) secret(pair string) bool {
	name, value, _ := strings.Cut(pair, "=")
	if value == "" {
		return false
	}
	name = strings.ToLower(unescape(name))
	if r.names[name] || slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(name, part) }) {
		return true
	}
	_, inner, found := strings.Cut(unescape(value), "?")
	return found && r.hasSecret(inner)
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func shorten(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	return s[:maxLogged] + "..."
}
