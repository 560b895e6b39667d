package accesslog

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

func TestQueryRedaction(t *testing.T) {
	r := newRedactor([]string{"Invite"})
	for query, want := range map[string]string{
		"":                                      "",
		"page=2&sort=name":                      "page=2&sort=name",
		"token=abc":                             "token=REDACTED",
		"adminKey=tale|abc":                     "adminKey=REDACTED",
		"format=json&%61dminKey=tale%7Cabc":     "format=json&%61dminKey=REDACTED",
		"page=2&token=abc&sort=name":            "page=2&token=REDACTED&sort=name",
		"TOKEN=abc":                             "TOKEN=REDACTED",
		"%74oken=abc":                           "%74oken=REDACTED",
		"to%6ben=a&code=b":                      "to%6ben=REDACTED&code=REDACTED",
		"access_token=a;refresh_token=b":        "access_token=REDACTED;refresh_token=REDACTED",
		"uploadToken=a&csrf-token=b":            "uploadToken=REDACTED&csrf-token=REDACTED",
		"code=a&state=b&iss=c":                  "code=REDACTED&state=REDACTED&iss=c",
		"SAMLResponse=PHNhbWw%2B":               "SAMLResponse=REDACTED",
		"X-Amz-Signature=a&X-Amz-Date=1":        "X-Amz-Signature=REDACTED&X-Amz-Date=1",
		"invite=a":                              "invite=REDACTED",
		"token=":                                "token=",
		"token":                                 "token",
		"token=a=b=c":                           "token=REDACTED",
		"token=a&token=b":                       "token=REDACTED&token=REDACTED",
		"author=me&keyword=x":                   "author=me&keyword=x",
		"next=%2Fupload%3Ftoken%3Dabc&a=1":      "next=REDACTED&a=1",
		"next=%2Fupload%3Fpage%3D2":             "next=%2Fupload%3Fpage%3D2",
		"q=what%3F":                             "q=what%3F",
		"%zz=1&token=a":                         "%zz=1&token=REDACTED",
		"&&token=a&&":                           "&&token=REDACTED&&",
		"country_code=de&authors=a&keys=b":      "country_code=de&authors=a&keys=b",
		"at=10:30&path=a/b.c&q=reset+button":    "at=10:30&path=a/b.c&q=reset+button",
		"discount=100%":                         "discount=100%",
		"next=%2F%3Fnext%3D%252F%253Fkey%253D1": "next=REDACTED",
	} {
		if got := r.query(query); got != want {
			t.Errorf("%s: got %s", query, got)
		}
	}
}

func TestPathRedaction(t *testing.T) {
	r := newRedactor(nil)
	for path, want := range map[string]string{
		"/":                                  "/",
		"/assets/index-BxK3a9Zq.js":          "/assets/index-BxK3a9Zq.js",
		"/api/documents/jd7f3k2m9x/versions": "/api/documents/jd7f3k2m9x/versions",
		"/presets/7/monkey:1,2;v=3":          "/presets/7/monkey:1,2;v=3",
		"/a%2Fb/%E2%82%AC":                   "/a%2Fb/%E2%82%AC",
		"/reset-password":                    "/reset-password",
		"/reset-password/":                   "/reset-password/",
		"/reset-password/success":            "/reset-password/success",
		"/reset-password/x1":                 "/reset-password/REDACTED",
		"/auth/verify-email/x1/done":         "/auth/verify-email/REDACTED/done",
		"/a;v=1;jsessionid=x/b":              "/a;v=1;jsessionid=REDACTED/b",
	} {
		if got := r.path(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestTextRedaction(t *testing.T) {
	for text, want := range map[string]string{
		"read tcp 10.0.0.1:3: connection reset by peer": "read tcp 10.0.0.1:3: connection reset by peer",
		"cannot verify: open /etc/ssl/x.pem":            "cannot verify: open /etc/ssl/x.pem",
		`Get "https://h/x?token=a&b=c": EOF`:            `Get "https://h/x?token=REDACTED&b=c": EOF`,
		"https://h/invite/abc sent":                     "https://h/invite/REDACTED sent",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// encodings returns how a part of a URL may be written: percent-encoded wholly, in
// part, and more than once.
func encodings(random *rand.Rand) []func(string) string {
	all := func(format string) func(string) string {
		return func(s string) string {
			var out strings.Builder
			for _, c := range []byte(s) {
				fmt.Fprintf(&out, format, c)
			}
			return out.String()
		}
	}
	some := func(s string) string {
		var out strings.Builder
		for _, c := range []byte(s) {
			if random.IntN(2) == 0 && c != '%' {
				out.WriteByte(c)
			} else {
				fmt.Fprintf(&out, "%%%02X", c)
			}
		}
		return out.String()
	}
	plain := func(s string) string { return s }
	twice := func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }
	return []func(string) string{plain, url.QueryEscape, url.PathEscape, all("%%%02X"), all("%%%02x"), some, twice, func(s string) string { return some(twice(some(s))) }, func(s string) string {
		for range 9 {
			s = url.QueryEscape("%" + s)
		}
		return s
	}}
}

func otherCase(s string, random *rand.Rand) string {
	return strings.Map(func(c rune) rune {
		if random.IntN(2) == 0 {
			return []rune(strings.ToUpper(string(c)))[0]
		}
		return c
	}, s)
}

// Canaries in places of all shapes, by all names, in all encodings, do not appear.
func TestCanariesAreNotLogged(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	names := []string{"token", "access_token", "accessKey", "access-key", "reset_token", "invite", "inviteCode", "invitation", "magic", "magicLink", "code", "otp",
		"apiKey", "adminKey", "password", "client_secret", "sessionId", "jsessionid", "X-Amz-Signature", "verification_code", "state", "key"}
	words := []string{"reset-password", "resetPassword", "password_reset", "forgot-password", "verify-email", "verifyEmail", "email-verification", "confirm", "activate",
		"invite", "invitations", "accept-invite", "magic-link", "magic", "token", "unsubscribe", "recover", "otp"}
	// N is the name, W the word, C the canary; what is in braces is encoded.
	shapes := []string{
		"/{W}/C", "/x/{W}/C", "/{W}/{C}", "/{W}/C/accept", "/{W}/confirm/C", "//{W}//C/", "/{W}/./C", "/{W/C}", "/x%2F{W}%2FC", "/{W}/C.json", "/{W}/a/C", "/x%5c{W}%5cC",
		"/a;{N}=C", "/a;x=1;{N}=C/b", "/{N=C}", "/{N}=C", "/x/a,{N}=C", "/x/{W}:C",
		"/?{N}=C", "/?x=1&{N}={C}", "/?x=1;{N}=C", "/?{N}[]=C", "/?u[{N}]=C", "/?u.{N}=C", "/?{N=C}", "/?x?{N}=C", "/?x=1?{N}=C", "/?x#{N}=C", "/?x={#N=C}", "/?x={https://h/a#N=C}",
		"/?x={https://h/?a=b&N=C}", "/?x={?y=z;N=C}", "/?x={/W/C}", "/?x={https://h/a/W/C?b}", `/?args={{"a":1,"N":"C"}}`, `/?args={{"a":[{"N" : "C"}]}}`, "/?x={a&N=C}",
	}
	for _, shape := range shapes {
		for i, name := range names {
			for _, encode := range encodings(random) {
				canary := fmt.Sprintf("CaNaRy%dx", random.IntN(1e6))
				target := fill(shape, otherCase(name, random), otherCase(words[i%len(words)], random), canary, encode)
				path, query, _ := strings.Cut(target, "?")
				for kind, logged := range map[string]string{"request": usual.path(path) + " " + usual.query(query), "text": Redact("at " + strings.ReplaceAll(target, " ", "+") + " now")} {
					if plain, _ := decode(logged); strings.Contains(plain, canary) || strings.Contains(logged, canary) {
						t.Errorf("%s: %s %s is logged as %s", kind, shape, target, logged)
					}
				}
			}
		}
	}
}

// fill makes a target of a shape.
func fill(shape, name, word, canary string, encode func(string) string) string {
	replace := strings.NewReplacer("N", name, "W", word, "C", canary)
	begin, end := strings.IndexByte(shape, '{'), strings.LastIndexByte(shape, '}')
	if begin < 0 {
		return replace.Replace(shape)
	}
	if strings.Count(shape, "{") > 1 && !strings.Contains(shape, `"`) { // each by itself
		inner := begin + strings.IndexByte(shape[begin:], '}')
		return replace.Replace(shape[:begin]) + encode(replace.Replace(shape[begin+1:inner])) + fill(shape[inner+1:], name, word, canary, encode)
	}
	return replace.Replace(shape[:begin]) + encode(replace.Replace(shape[begin+1:end])) + replace.Replace(shape[end+1:])
}

func BenchmarkRedact(b *testing.B) {
	for name, target := range map[string][2]string{
		"ordinary": {"/api/documents/list/jd7f3k2m9x", "page=2&sort=name"}, "secret": {"/reset-password/s3cr3t", "next=%2Fupload%3Ftoken%3Dabc&a=1"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				usual.path(target[0])
				usual.query(target[1])
			}
		})
	}
}

func FuzzQueryRedaction(f *testing.F) {
	f.Add("a=1&", "&b=2")
	f.Add("?;=", "%")
	r := newRedactor(nil)
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "token=s3cr3t-value"
		got := r.query(before + "&" + secret + "&" + after)
		if strings.Contains(got, secret) && !strings.Contains(before+"|"+after, secret) {
			t.Errorf("got %q", got)
		}
	})
}
