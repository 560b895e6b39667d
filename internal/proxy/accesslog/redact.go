package accesslog

import (
	"slices"
	"strings"
)

// redacted stands for a value that must not be in a log.
const redacted = "REDACTED"

// maxLogged is how much of a method, a host, a path, a query or an error is logged, in bytes.
const maxLogged = 2 << 10

// maxLayers is how often a value may be percent-encoded and still be looked into.
// What is encoded more often is taken for a secret.
const maxLayers = 6

// secretNames are parameters that carry secrets: of OAuth and OpenID Connect,
// SAML, signed URLs, servlets, and what people call them. They are folded.
var secretNames = []string{
	"auth", "authorization", "authcode", "code", "state", "nonce", "codeverifier", "codechallenge", "assertion", "samlrequest", "samlresponse", "relaystate",
	"key", "jwt", "otp", "totp", "pin", "pwd", "pw", "pass", "passphrase", "sig", "session", "sid", "ticket", "hmac", "bearer", "cookie",
}

// secretParts make a name a secret's wherever they are in it. The Convex backend
// takes adminKey in the place of an Authorization header. They are folded.
var secretParts = []string{
	"token", "secret", "passw", "signature", "credential", "apikey", "accesskey", "adminkey", "deploykey", "privatekey",
	"sessionid", "sessid", "invit", "magic", "verification", "recovery", "resetcode", "otpcode",
}

// secretWords begin the words of path segments that secrets come after.
var secretWords = []string{"reset", "verif", "confirm", "activat", "invit", "magic", "token", "secret", "passw", "forgot", "recover", "unsubscri", "otp", "accesskey", "apikey", "adminkey"}

// ordinary are path segments that come after such words and are no secrets.
var ordinary = []string{
	"", ".", "..", "accept", "callback", "complete", "confirm", "confirmation", "decline", "done", "email", "error", "expired", "failed", "index", "invalid", "link",
	"list", "login", "new", "password", "phone", "reject", "request", "resend", "sent", "sign-in", "sign-up", "start", "success", "verify", redacted,
}

// redactor takes secrets out of paths and queries.
type redactor struct {
	names map[string]bool
}

func newRedactor(more []string) redactor {
	r := redactor{names: make(map[string]bool)}
	for _, name := range slices.Concat(secretNames, more) {
		r.names[fold(name)] = true
	}
	return r
}

// Redact returns the text of a log without the secrets in its URLs.
func Redact(text string) string { return usual.text(text) }

var usual = newRedactor(nil)

func (r redactor) text(text string) string {
	if !strings.ContainsAny(text, "/?=") {
		return text
	}
	var out strings.Builder
	for word := range strings.SplitAfterSeq(text, " ") {
		out.WriteString(r.url(strings.TrimSuffix(word, " ")))
		if strings.HasSuffix(word, " ") {
			out.WriteByte(' ')
		}
	}
	return out.String()
}

// url returns a URL, or a part of one, with secrets replaced.
func (r redactor) url(url string) string {
	end := strings.IndexAny(url, "?#")
	if end < 0 {
		return r.path(url)
	}
	return r.path(url[:end]) + url[end:end+1] + r.query(url[end+1:])
}

// path returns the path with secrets replaced: what stands after a word such as
// "invite", and the values of parameters in it.
func (r redactor) path(raw string) string {
	var out strings.Builder // stays empty while there is nothing to replace
	after, done := false, 0
	for begin := 0; begin <= len(raw); {
		end := begin + strings.IndexByte(raw[begin:], '/')
		if end < begin {
			end = len(raw)
		}
		segment := raw[begin:end]
		if clean := r.segment(segment, after); clean != segment {
			out.WriteString(raw[done:begin])
			out.WriteString(clean)
			done = end
		}
		after = after || hasSecretWord(segment)
		begin = end + 1
	}
	if done == 0 {
		return raw
	}
	out.WriteString(raw[done:])
	return out.String()
}

// segment returns one part of a path, which may come after a secret's word.
func (r redactor) segment(raw string, after bool) string {
	if strings.ContainsAny(raw, "=:%;,&") {
		if clean := r.query(raw); clean != raw || !after {
			return clean
		}
	}
	if after && !slices.Contains(ordinary, raw) {
		return redacted
	}
	return raw
}

// query returns the query string with the values of secrets replaced. Everything else
// stays as it was sent.
func (r redactor) query(raw string) string {
	if raw == "" {
		return raw
	}
	var out strings.Builder
	done := 0
	for begin := 0; begin < len(raw); {
		end := begin + strings.IndexAny(raw[begin:], "&;")
		if end < begin {
			end = len(raw)
		}
		pair := raw[begin:end]
		if name, value, found := strings.Cut(pair, "="); r.secret(name, value, found) {
			out.WriteString(raw[done:begin])
			if found {
				out.WriteString(name + "=")
			}
			out.WriteString(redacted)
			done = end
		}
		begin = end + 1
	}
	if done == 0 {
		return raw
	}
	out.WriteString(raw[done:])
	return out.String()
}

// secret reports whether a parameter has a value that must not be logged: by its
// name, or by what is inside of the value. Without a value the name is looked into.
func (r redactor) secret(name, value string, hasValue bool) bool {
	if !hasValue {
		return strings.ContainsAny(name, "%:") && r.inside(name)
	}
	if value == "" || value == redacted {
		return false
	}
	name, ok := decode(name)
	return !ok || r.isName(name) || r.inside(value)
}

// isName reports whether secrets have the name: itself or, as in user[token] and
// a?token, its last part.
func (r redactor) isName(name string) bool {
	folded := fold(lastPart(name))
	return r.names[folded] || slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(folded, part) })
}

// lastPart returns the name without what it is in, and without what closes it.
func lastPart(name string) string {
	isPart := func(c byte) bool {
		return isLetter(c) || '0' <= c && c <= '9' || c == '-' || c == '_' || c >= 0x80 || c < ' '
	}
	end := len(name)
	for end > 0 && !isPart(name[end-1]) {
		end--
	}
	begin := end
	for begin > 0 && isPart(name[begin-1]) {
		begin--
	}
	return name[begin:end]
}

// inside reports whether there is a secret in a value: a URL, a query or JSON.
func (r redactor) inside(value string) bool {
	if !strings.ContainsAny(value, "%=:/.") { // all that follows needs one of them
		return false
	}
	value, ok := decode(value)
	if !ok || isJWT(value) {
		return true
	}
	for rest := value; ; {
		i := strings.IndexAny(rest, "=:")
		if i < 0 {
			break
		}
		after := strings.TrimLeft(rest[i+1:], `"' `)
		if after != "" && !strings.HasPrefix(after, redacted) && (r.isName(rest[:i]) || hasSecretWord(lastPart(rest[:i]))) {
			return true
		}
		rest = rest[i+1:]
	}
	path, _, _ := strings.Cut(strings.ReplaceAll(value, `\`, "/"), "?")
	after := false
	for segment := range strings.SplitSeq(path, "/") {
		if after && !slices.Contains(ordinary, segment) {
			return true
		}
		after = after || hasSecretWord(segment)
	}
	return false
}

// isJWT reports whether the value is a signed JSON Web Token, or has one in it.
func isJWT(value string) bool {
	i := strings.Index(value, "eyJ")
	return i >= 0 && strings.Count(value[i:], ".") >= 2
}

// decode undoes percent-encoding until there is none left. What is broken stays.
func decode(text string) (plain string, ok bool) {
	for range maxLayers {
		if !strings.ContainsAny(text, "%+") {
			return text, true
		}
		before := text
		if text = unescape(text); text == before {
			return text, true
		}
	}
	return text, false
}

func unescape(text string) string {
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
			c = digit(text[i+1])<<4 | digit(text[i+2])
			i += 2
		} else if c == '+' {
			c = ' '
		}
		out.WriteByte(c)
	}
	return out.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func digit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}

// hasSecretWord reports whether a secret may come after the path segment. Words
// begin at every letter after something else, and at capitals.
func hasSecretWord(segment string) bool {
	if strings.IndexByte(segment, '%') >= 0 {
		segment, _ = decode(segment)
	}
	for i := range len(segment) {
		c := segment[i]
		begins := i == 0 || !isLetter(segment[i-1]) || c < 'a' && segment[i-1] >= 'a'
		if begins && isLetter(c) && startsSecret(segment[i:]) {
			return true
		}
	}
	return false
}

func startsSecret(word string) bool {
	for _, secret := range secretWords {
		if len(word) >= len(secret) && word[0]|0x20 == secret[0] && strings.EqualFold(word[:len(secret)], secret) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// fold returns a name without case and without what people put between its words.
func fold(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		}
		return -1
	}, name)
}

func shorten(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	return s[:maxLogged] + "..."
}
