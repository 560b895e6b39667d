package adminkeys

import (
	"net/http"
	"testing"
)

func TestNamesAdminKey(t *testing.T) {
	for body, want := range map[string]bool{
		`{"deployments":[{"adminKey":"x"}]}`:  true,
		`{"admin_key" : "x"}`:                 true,
		`{"ADMINKEY":"x"}`:                    true,
		`{"deployKey":"x"}`:                   true,
		`{"pageProps":{"title":"Admin key"}}`: false,
		``:                                    false,
	} {
		if got := namesAdminKey([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestMayBeJSON(t *testing.T) {
	for kind, want := range map[string]bool{
		"application/json": true, "Application/JSON; charset=utf-8": true, "application/manifest+json": true, "text/plain": true, "": true,
		"text/html": false, "application/javascript": false, "text/css": false, "image/svg+xml": false, "font/woff2": false,
	} {
		if got := mayBeJSON(http.Header{"Content-Type": {kind}}); got != want {
			t.Errorf("%q: %v", kind, got)
		}
	}
}
