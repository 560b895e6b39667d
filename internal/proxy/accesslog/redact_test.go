package accesslog

import (
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
		"next=%2F%3Fnext%3D%252F%253Fkey%253D1": "next=REDACTED",
	} {
		if got := r.query(query); got != want {
			t.Errorf("%s: got %s", query, got)
		}
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
