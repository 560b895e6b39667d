package target

import "testing"

func TestWhatIsAHost(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "site.test": true, "site.test:8443": true, "site.test:": true, "SITE.test": true, "xn--bcher-kva.test": true, "a_b": true, "127.0.0.1:80": true, "[::1]": true, "[::1]:443": true, "[::ffff:127.0.0.1]": true,
		"site.test:x": false, "site.test:1@evil.test": false, "user@site.test": false, "site.test:1/x": false, "site.test/x": false, "site.test:1?": false, "site.test#": false, `site.test\`: false, "site.test x": false, "site.test:-1": false, "site.test:123456": false,
		"site.test,evil.test": false, "site.test:80:80": false, "::1": false, "[::1": false, "[::1]x": false, "[::1]x:80": false, "[127.0.0.1]": false, "[fe80::1%@evil.test]": false, "[site.test]": false, "bücher.test": false, "a%2fb": false, "<b>": false, "a;b": false,
	} {
		if _, got := HostName(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestTheNameOfAHostStandsAlone(t *testing.T) {
	for text, want := range map[string]string{
		"": "", ":80": "", "site.test": "site.test", "SITE.test:8443": "SITE.test", "site.test:": "site.test", "127.0.0.1:80": "127.0.0.1", "[::1]": "::1", "[::1]:443": "::1",
	} {
		if got, _ := HostName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
