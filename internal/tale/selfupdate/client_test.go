package selfupdate_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const program = "tale_linux_amd64"

// A download that breaks off goes on from where it was; one that has become another file
// begins again; one that stalls is not waited for.
func TestDownloadGoesOn(t *testing.T) {
	s := newServer(t, "1.2.0")
	whole := s.files[path("1.2.0", program)]
	half := len(whole) / 2
	for name, tt := range map[string]struct {
		first func(http.ResponseWriter, *http.Request)
		again string // what the second request asks for
	}{
		"cut":         {func(w http.ResponseWriter, _ *http.Request) { begin(w, whole, half); panic(http.ErrAbortHandler) }, fmt.Sprintf("bytes=%d-", half)},
		"ended":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(whole[:half]) }, fmt.Sprintf("bytes=%d-", half)},
		"stalled":     {func(w http.ResponseWriter, r *http.Request) { begin(w, whole, half); <-r.Context().Done() }, fmt.Sprintf("bytes=%d-", half)},
		"silent":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ""},
		"unavailable": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, ""},
		"another since": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"other"`)
			begin(w, whole, half)
			panic(http.ErrAbortHandler)
		}, fmt.Sprintf("bytes=%d-", half)},
	} {
		t.Run(name, func(t *testing.T) {
			var once sync.Once
			s.respond(func(w http.ResponseWriter, r *http.Request) (answered bool) {
				if !strings.HasSuffix(r.URL.Path, program) {
					return false
				}
				once.Do(func() { answered = true; tt.first(w, r) })
				return answered
			})
			o := s.options("1.0.0").Impatient(200 * time.Millisecond)
			var most int64
			o.Progress = func(arrived, size int64) { most = max(most, arrived) }
			_, err := upgrade(t, o)
			expect(t, err, 0, "")
			s.versionOf(o, "1.2.0")
			asked := s.requests()
			if asked := asked[len(asked)-1]; asked != path("1.2.0", program)+" "+tt.again || most != int64(len(whole)) {
				t.Errorf("asked for %q, %d arrived", asked, most)
			}
		})
	}
}

// begin answers with a part of a file as if the rest came.
func begin(w http.ResponseWriter, whole []byte, part int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
	_, _ = w.Write(whole[:part])
	_ = http.NewResponseController(w).Flush()
}

// What never comes to an end, or never comes, ends nevertheless.
func TestDownloadIsBounded(t *testing.T) {
	s := newServer(t, "1.2.0")
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for _, err := w.Write(make([]byte, 1<<16)); err == nil; _, err = w.Write(make([]byte, 1<<16)) {
		}
	}
	for name, tt := range map[string]struct {
		file   string
		answer func(http.ResponseWriter, *http.Request)
		code   int
		text   string
	}{
		"endless":           {program, endless, exit.DeployRefused, "the answer has more than"},
		"endless list":      {"releases.json", endless, exit.DeployRefused, "the answer has more than"},
		"endless signature": {"release.json.minisig", endless, exit.DeployRefused, "the answer has more than"},
		"longer": {program, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999999")
			w.WriteHeader(200)
		}, exit.DeployRefused, "more than"},
		"always silent": {program, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, exit.Unavailable, "nothing has come for too long"},
		"always cut":    {program, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exit.Unavailable, "EOF"},
		"always short":  {program, func(w http.ResponseWriter, _ *http.Request) {}, exit.Unavailable, "it ends after 0 of"},
		"always another part": {program, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 7-9/10")
			w.WriteHeader(206)
		}, exit.Unavailable, "another part"},
	} {
		t.Run(name, func(t *testing.T) {
			s.respond(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/"+tt.file) {
					return false
				}
				tt.answer(w, r)
				return true
			})
			o := s.options("1.0.0").Impatient(100 * time.Millisecond)
			_, err := upgrade(t, o)
			expect(t, err, tt.code, tt.text)
			s.versionOf(o, "1.0.0")
		})
	}
}

// The token is for one server, whatever that says: others get none by a redirect, nor by
// one that leads back, in which it is shown again to its own.
func TestTokenStaysWithItsServer(t *testing.T) {
	s := newServer(t, "1.2.0")
	var mu sync.Mutex
	seen := map[string][]string{}
	see := func(who string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[who] = append(seen[who], r.Header.Get("Authorization"))
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		see("other", r)
		if r.URL.Path == "/back" {
			http.Redirect(w, r, s.URL+"/releases.json?again=1", http.StatusFound)
			return
		}
		_, _ = w.Write(s.files[r.URL.Path])
	}))
	t.Cleanup(other.Close)
	s.respond(func(w http.ResponseWriter, r *http.Request) bool {
		see("own", r)
		switch {
		case r.URL.RawQuery == "again=1":
			return false
		case r.URL.Path == "/releases.json":
			http.Redirect(w, r, other.URL+"/back", http.StatusFound)
		default:
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}
		return true
	})
	for name, token := range map[string]string{"GITHUB_TOKEN": "hunter2", "GH_TOKEN": "hunter2", "NO_TOKEN": ""} {
		clear(seen)
		o := s.options("1.0.0").TokenFor(s.URL)
		o.Environ[name] = token
		_, err := upgrade(t, o)
		expect(t, err, 0, "")
		bearer := strings.TrimSuffix("Bearer "+token, "Bearer ")
		if len(seen["own"]) < 4 || len(seen["other"]) < 4 ||
			slices.ContainsFunc(seen["own"], func(got string) bool { return got != bearer }) ||
			slices.ContainsFunc(seen["other"], func(got string) bool { return got != "" }) {
			t.Errorf("%s: %v", name, seen)
		}
	}
	clear(seen)
	o := s.options("1.0.0") // a copy of GitHub is not GitHub
	o.Environ["GITHUB_TOKEN"] = "hunter2"
	_, err := upgrade(t, o)
	expect(t, err, 0, "")
	if got := strings.Join(append(seen["own"], seen["other"]...), ""); got != "" {
		t.Errorf("a token for GitHub was shown to others: %v", seen)
	}
}

// A redirect does not leave encryption.
func TestRedirectStaysEncrypted(t *testing.T) {
	s := newServer(t, "1.2.0")
	encrypted := httptest.NewTLSServer(http.RedirectHandler(s.URL+"/releases.json", http.StatusFound))
	t.Cleanup(encrypted.Close)
	o := s.options("1.0.0")
	o.Environ["TALE_RELEASES_URL"] = encrypted.URL
	_, err := upgrade(t, o.Trust(encrypted.Certificate()))
	expect(t, err, exit.Unavailable, "a redirect from https to http://")
}

func TestProxiesOfTheEnvironment(t *testing.T) {
	s := newServer(t, "1.2.0")
	var mu sync.Mutex
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		through = append(through, r.Method+" "+r.Host)
		mu.Unlock()
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		response, err := http.Get(s.URL + r.URL.Path)
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}))
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		set  map[string]string
		code int
		want string
	}{
		"http":      {map[string]string{"TALE_RELEASES_URL": "http://releases.example", "HTTP_PROXY": at.String()}, 0, "GET releases.example"},
		"lower":     {map[string]string{"TALE_RELEASES_URL": "http://releases.example", "http_proxy": at.Host}, 0, "GET releases.example"},
		"https":     {map[string]string{"TALE_RELEASES_URL": "https://releases.example", "HTTPS_PROXY": at.String()}, exit.Unavailable, "CONNECT releases.example:443"},
		"GitHub":    {map[string]string{"TALE_RELEASES_URL": "", "https_proxy": at.String()}, exit.Unavailable, "CONNECT api.github.com:443"},
		"exception": {map[string]string{"TALE_RELEASES_URL": "http://releases.invalid", "HTTP_PROXY": at.String(), "NO_PROXY": ".invalid"}, exit.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			through = nil
			o := s.options("1.0.0")
			for name, value := range tt.set {
				o.Environ[name] = value
			}
			_, err := upgrade(t, o)
			expect(t, err, tt.code, "cannot download")
			if got := strings.Join(through, "\n"); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("through the proxy: %s", got)
			}
		})
	}
}
