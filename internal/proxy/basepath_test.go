package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
)

func TestBasePathInEveryFormPeopleWriteIt(t *testing.T) {
	for _, form := range []string{"tale", "/tale", "/tale/", " tale/ "} {
		t.Run(form, func(t *testing.T) {
			start(t, config.Environ{"BASE_PATH": form, "TLS_MODE": "external"}).check([]aRequest{
				{"/tale", "", nowhere, "", 308, "/tale/"},
				{"/tale?x=1", "", nowhere, "", 308, "/tale/?x=1"},
				{"/tale/", "", routes.Platform, "/", 200, ""},
				{"/tale/app/x%2Fy?q=1", "", routes.Platform, "/app/x%2Fy?q=1", 200, ""},
				{"/talent", "", nowhere, "", 404, ""},
				{"/tale.html", "", nowhere, "", 404, ""},
				{"/other", "", nowhere, "", 404, ""},
				{"/", "", nowhere, "", 404, ""},
			})
		})
	}
}

func TestTheTableUnderABasePath(t *testing.T) {
	p := start(t, config.Environ{"BASE_PATH": "/a/tale"})
	var under []aRequest
	for _, r := range tableRequests {
		r.target = "/a/tale" + r.target
		// Removing a prefix cleans the rest, so that what was matched is what is sent.
		r.uri = strings.Replace(r.uri, "//", "/", 1)
		if r.where != "" {
			r.where = "/a/tale" + r.where
		}
		under = append(under, r)
	}
	p.check(under)
	p.check([]aRequest{
		{"/health", "", nowhere, "", 200, ""},
		{"/api/actions/query", "", routes.Backend, "/api/actions/query", 200, ""},
		{"/api/storage/upload?token=t", "", routes.Backend, "/api/storage/upload?token=t", 200, ""},

		{"/api/x", "", nowhere, "", 404, ""},
		{"/api/x", admin, nowhere, "", 404, ""},
		{"/api/1.2.3/sync", "", nowhere, "", 404, ""},
		{"/ws_api/api/1.2.3/sync", "", nowhere, "", 404, ""},
		{"/http_api/x", "", nowhere, "", 404, ""},
		{"/convex-dashboard", "", nowhere, "", 404, ""},
		{"/metrics/platform", bearer, nowhere, "", 404, ""},
		{"/data?component=x", "", nowhere, "", 404, ""},
	})
}

func TestAnswersUnderABasePathNameItsPaths(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.Header.Get("X-Do"))
		w.Header().Add("Set-Cookie", "a=1; Path=/; HttpOnly")
		w.Header().Add("Set-Cookie", "__Host-b=2; Path=/; Secure")
		w.WriteHeader(http.StatusFound)
	}
	p := start(t, config.Environ{"BASE_PATH": "tale", "PLATFORM_UPSTREAM": echo(t, "platform", answer), "CONVEX_UPSTREAM": echo(t, "backend", answer)})
	for _, target := range []string{"/tale/x", "/tale/api/auth/callback", "/tale/http_api/x"} {
		for sent, want := range map[string]string{
			"/login?next=/x":            "/tale/login?next=/x",
			"/tale/login":               "/tale/login",
			"https://site.test/login":   "https://site.test/tale/login",
			"https://other.test/login":  "https://other.test/login",
			"https://site.test/tale/#x": "https://site.test/tale/#x",
			"next":                      "next",
		} {
			response := p.get(target, http.Header{"X-Do": {sent}})
			if got := response.Header.Get("Location"); got != want {
				t.Errorf("%s: Location %q became %q, want %q", target, sent, got, want)
			}
			cookies := strings.Join(response.Header["Set-Cookie"], " | ")
			if cookies != "a=1; Path=/tale; HttpOnly | __Host-b=2; Path=/; Secure" {
				t.Errorf("%s: cookies %s", target, cookies)
			}
		}
	}
}

func TestApplicationLearnsTheBasePath(t *testing.T) {
	p := start(t, config.Environ{"BASE_PATH": "/tale"})
	got := echoed(t, p.get("/tale/x", http.Header{"X-Forwarded-Prefix": {"/evil"}}))
	if got.Header.Get("X-Forwarded-Prefix") != "/tale" {
		t.Errorf("X-Forwarded-Prefix: %q", got.Header["X-Forwarded-Prefix"])
	}
}

func TestFilesAreKeptUnderABasePath(t *testing.T) {
	const file = "/assets/index-BxYz12_a.js"
	platform := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
	}))
	p := start(t, config.Environ{"BASE_PATH": "/tale", "PLATFORM_UPSTREAM": platform})
	for deadline := time.Now().Add(10 * time.Second); ; {
		response := p.get("/tale"+file, nil)
		if got := text(t, response); got != "GET "+file {
			t.Fatalf("got %q", got)
		}
		if response.Header.Get("Etag") != "" { // the application gives none
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file is not kept")
		}
	}
}
