package target

import "testing"

func TestLocationUnderABasePath(t *testing.T) {
	b := &BasePath{Prefix: "/tale"}
	const host = "site.test:8443"
	for location, want := range map[string]string{
		"/":                              "/tale/",
		"/x?y=/z#w":                      "/tale/x?y=/z#w",
		"/tale":                          "/tale",
		"/tale?x":                        "/tale?x",
		"/tale/x":                        "/tale/x",
		"/talent":                        "/tale/talent",
		"/%74ale":                        "/tale/%74ale",
		"x/y":                            "x/y",
		"?x=1":                           "?x=1",
		"#top":                           "#top",
		"../x":                           "../x",
		"":                               "",
		"//site.test:8443/x":             "//site.test:8443/tale/x",
		"//other.test/x":                 "//other.test/x",
		"https://site.test:8443":         "https://site.test:8443/tale/",
		"https://site.test:8443?x=1":     "https://site.test:8443/tale/?x=1",
		"https://site.test:8443/tale/x":  "https://site.test:8443/tale/x",
		"http://SITE.test:8443/x":        "http://SITE.test:8443/tale/x",
		"https://site.test/x":            "https://site.test/x",
		"https://site.test:8443.evil/x":  "https://site.test:8443.evil/x",
		"mailto:someone@site.test":       "mailto:someone@site.test",
		"https://u:p@site.test:8443/x":   "https://u:p@site.test:8443/tale/x",
		"/auth?back=https://other.test/": "/tale/auth?back=https://other.test/",
		"http://%zz":                     "http://%zz",
	} {
		if got := b.location(location, host); got != want {
			t.Errorf("%q became %q, want %q", location, got, want)
		}
	}
}

func TestCookiesUnderABasePath(t *testing.T) {
	b := &BasePath{Prefix: "/tale"}
	for cookie, want := range map[string]string{
		"a=1":                              "a=1",
		"a=1; Path=/":                      "a=1; Path=/tale",
		"a=1; path=/; Secure":              "a=1; path=/tale; Secure",
		"a=1;PATH = / ;HttpOnly":           "a=1;PATH =/tale;HttpOnly",
		"a=1; Path=/api":                   "a=1; Path=/tale/api",
		"a=1; Path=/tale":                  "a=1; Path=/tale",
		"a=1; Path=/tale/x":                "a=1; Path=/tale/x",
		"a=1; Path=/talent":                "a=1; Path=/tale/talent",
		"a=1; Path=":                       "a=1; Path=",
		"path=/; Path=/":                   "path=/; Path=/tale",
		"__Host-a=1; Secure; Path=/":       "__Host-a=1; Secure; Path=/",
		"__Secure-a=1; Secure; Path=/":     "__Secure-a=1; Secure; Path=/tale",
		"a=\"x\"; Expires=Mon, 01; Path=/": "a=\"x\"; Expires=Mon, 01; Path=/tale",
	} {
		if got := b.cookie(cookie); got != want {
			t.Errorf("%q became %q, want %q", cookie, got, want)
		}
	}
}

func TestValidatePrefix(t *testing.T) {
	for prefix, good := range map[string]bool{"/tale": true, "/a/b": true, "tale": false, "/tale/": false, "/": false, "": false} {
		if err := (&BasePath{Prefix: prefix}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
