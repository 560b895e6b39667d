package maintenance

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestPreferredLanguage(t *testing.T) {
	for accept, want := range map[string]string{
		"": "en", "de": "de", "DE-at": "de", "fr-CA,fr;q=0.9,en;q=0.8": "fr", "pt-BR, pt;q=0.9, es;q=0.5, en;q=0.3": "es",
		"en;q=0.3, it;q=0.7": "it", "en;q=0.7, it;q=0.7": "en", "it;q=0.7, en;q=0.7": "it", "ja, zh;q=0.8": "en",
		"*": "en", "ja, *;q=0.1": "en", "en;q=0, *": "de", "en;q=0, de;q=0": "en", "de;q=0, de-AT": "en", "de-CH;q=0, de": "de",
		"de;q=1.000": "de", "de; q=0.5 , fr ; q=0.6": "fr", "de;q=x, fr;q=0.1": "fr", "de;q=, es;q=0.2": "es", ",,de,,": "de", "de;level=1;q=0.2, fr;q=0.3": "fr",
		"-": "en", ";": "en", "d": "en", "deu": "en", "de_DE": "en",
	} {
		if got := wordings[preferred([]string{accept})].language; got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
	if got := wordings[preferred([]string{"ja;q=0.9", "fr;q=0.2"})].language; got != "fr" {
		t.Errorf("two headers: %s", got)
	}
}

func FuzzPreferredLanguage(f *testing.F) {
	for _, seed := range []string{"de-AT;q=0.5, *", "en;q=0, *;q=NaN", ";q=1;q=0,-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if i := preferred([]string{accept}); i < 0 || i >= len(wordings) {
			t.Errorf("%q: %d", accept, i)
		}
	})
}

// Every language has everything, and no text breaks the page.
func TestWordingsAreComplete(t *testing.T) {
	for _, w := range wordings {
		value := reflect.ValueOf(w)
		for i := range value.NumField() {
			name, text := value.Type().Field(i).Name, value.Field(i).String()
			if text == "" || strings.ContainsAny(text, `"<>&`) {
				t.Errorf("%s: %s is %q", w.language, name, text)
			}
			if wants := name == "lead" || name == "failedLead"; strings.Contains(text, "NAME") != wants {
				t.Errorf("%s: %s is %q", w.language, name, text)
			}
			if wants := name == "one" || name == "many"; strings.Contains(text, "#") != wants {
				t.Errorf("%s: %s is %q", w.language, name, text)
			}
		}
	}
}

func TestPageIsInTheVisitorsLanguage(t *testing.T) {
	url := runFailing(t, http.StatusServiceUnavailable, Handler{})
	for _, w := range wordings {
		got := ask(t, "GET", url, map[string]string{"Accept": chrome, "Accept-Language": w.language + "-XX, en;q=0.5"})
		for _, want := range []string{`<html lang="` + w.language + `"`, "<h1>" + w.title + "</h1>", strings.Replace(w.lead, "NAME", w.site, 1), w.again, w.many} {
			if !strings.Contains(got.body, want) {
				t.Errorf("%s lacks %q", w.language, want)
			}
		}
		if got.Header.Get("Content-Language") != w.language || !strings.Contains(got.Header.Get("Vary"), "Accept-Language") {
			t.Errorf("%s: %v", w.language, got.Header)
		}
		if strings.Contains(got.body, "{{") || len(got.body) > 8<<10 {
			t.Errorf("%s: %d bytes, or a placeholder is left", w.language, len(got.body))
		}
	}
}

func TestPageOfTheOperator(t *testing.T) {
	const logo = "data:image/png;base64,iVBORw0KGgo="
	url := runFailing(t, http.StatusServiceUnavailable, Handler{Name: `A & <B> {{link}}`, Logo: logo, Link: "https://status.example.com/?a=1&b=2"})
	got := ask(t, "GET", url, map[string]string{"Accept": chrome})
	for _, want := range []string{`<img class="logo" alt="" src="` + logo + `">`, "A &amp; &lt;B&gt; {{link}} is restarting", `href="https://status.example.com/?a=1&amp;b=2"`, ">Status and help</a>"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(got.body, `class="ring"`) || !strings.Contains(got.Header.Get("Content-Security-Policy"), "img-src data:;") {
		t.Error("the drawing is there beside the logo, or the logo is not allowed")
	}
	mail := ask(t, "GET", runFailing(t, http.StatusServiceUnavailable, Handler{Link: "mailto:help@example.com?subject=x"}), map[string]string{"Accept": chrome})
	if !strings.Contains(mail.body, `href="mailto:help@example.com?subject=x">help@example.com</a>`) {
		t.Error("the address is not shown")
	}
}

// The service's own status port says that its start has failed, and only that is passed
// on to visitors.
func TestPageSaysThatAnUpdateFailed(t *testing.T) {
	failure := report.New(exit.DeployRefused, "the schema canary is refused", "a cause", "a fix")
	failure.Stage = "push"
	for name, said := range map[string]string{"now": failure.Line(), "earlier images": "failed at push: the schema canary is refused"} {
		t.Run(name, func(t *testing.T) { pageSaysThatAnUpdateFailed(t, said) })
	}
}

func pageSaysThatAnUpdateFailed(t *testing.T, said string) {
	var ready health.Gate
	ready.Close(said)
	status, err := health.Listen(logging.Discard(), "127.0.0.1:0", health.Endpoints{Ready: &ready, Started: &ready, Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(status.Close)
	source := &upstreams.Source{Upstream: status.Addr(), Probe: "/readyz"}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := source.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Cleanup() })
	url := runFailing(t, http.StatusServiceUnavailable, Handler{Upstream: source.Upstream})
	testkit.Eventually(t, "it says so", func() bool {
		got := ask(t, "GET", url, map[string]string{"Accept": chrome, "Accept-Language": "de"})
		if strings.Contains(got.body, "canary") {
			t.Error("visitors read why")
		}
		return got.Header.Get(updateHeader) == updateFailed && strings.Contains(got.body, "Es dauert etwas länger") && strings.Contains(got.body, `data-update="failed"`)
	})
	ready.Close("stage wait") // another start; the last word stands until it serves
	if got := ask(t, "HEAD", url, map[string]string{"Accept": "text/html"}); got.Header.Get(updateHeader) != updateFailed {
		t.Errorf("%v", got.Header)
	}
	other := ask(t, "GET", runFailing(t, http.StatusServiceUnavailable, Handler{Upstream: "other:3000"}), map[string]string{"Accept": chrome})
	if other.Header.Get(updateHeader) != "" || !strings.Contains(other.body, "Back in a moment") {
		t.Error("another upstream's failure is told")
	}
}
