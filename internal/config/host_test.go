package config_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// The spelling that is to be used instead, if there is one.
var hosts = map[string]string{
	"example.com": "ok", "Example.COM": "ok", "localhost": "ok", "tale_1": "ok", "a.b-c.d": "ok", "xn--mnchen-3ya.example": "ok", "1and1.com": "ok", "3com": "ok",
	"192.0.2.1": "ok", "::1": "ok", "2001:db8::1": "ok", "2001:DB8::1": "ok",
	"münchen.example": "xn--mnchen-3ya.example", "MÜNCHEN.example": "xn--mnchen-3ya.example", "mu\u0308nchen.example": "xn--mnchen-3ya.example", "例え.テスト": "xn--r8jz45g.xn--zckzah",
	"bücher。example": "xn--bcher-kva.example", "ｅxample.com": "example.com",
	"0:0:0:0:0:0:0:1": "::1", "2001:db8:0::1": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1", "::ffff:c000:201": "192.0.2.1",
	"::1%eth0": "", "fe80::1%25": "", "": "", "a..b": "", "-a": "", "a.": "", "a b": "", "a/b": "", "a:1": "", "[::1]": "", "127.1": "", "0x7f.1": "", "2130706433": "", "192.0.2.256": "", "192.0.2.01": "", "ü_ü.\u2028": "",
	strings.Repeat("a.", 127) + "a": "",
}

func TestCheckHost(t *testing.T) {
	for host, want := range hosts {
		problems := config.CheckHost("H", host)
		switch {
		case want == "ok" && len(problems) > 0, want != "ok" && len(problems) != 1:
			t.Errorf("%q: %v", host, problems)
		case want != "ok" && want != "" && problems[0].Accepted != want:
			t.Errorf("%q: %v, want %s", host, problems, want)
		}
		if want != "ok" && want != "" && len(config.CheckHost("H", want)) > 0 {
			t.Errorf("%q is told to be %s, which is refused", host, want)
		}
	}
}

// A URL's host is a host, whatever the service.
func TestHostsOfURLs(t *testing.T) {
	for host, want := range hosts {
		literal := host
		if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
			literal = "[" + strings.ReplaceAll(host, "%", "%25") + "]"
		}
		address := "https://" + literal + ":8443"
		if u, err := url.Parse(address); err != nil || u.Hostname() != host {
			continue // as a URL, it is another host
		}
		problems := config.CheckHTTPURL("U", address)
		if (len(problems) == 0) != (want == "ok") || want != "ok" && want != "" && !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v", address, problems)
		}
	}
}
