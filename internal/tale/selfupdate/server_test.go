package selfupdate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate/publish"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// machine is what the tests upgrade: their programs are scripts, and run anywhere.
var machine = selfupdate.Platform{OS: "linux", Arch: "amd64"}

// entry is a release as it is listed.
type entry struct {
	Tag        string           `json:"tag_name"`
	Draft      bool             `json:"draft"`
	Prerelease bool             `json:"prerelease"`
	Assets     []map[string]any `json:"assets"`
}

// server publishes releases, which are signed by a key of its own.
type server struct {
	*httptest.Server
	t        *testing.T
	secret   minisign.PrivateKey
	keys     []minisign.PublicKey
	canary   string            // written to by every program
	programs map[string]string // other than these, by version

	mu    sync.Mutex
	files map[string][]byte // by path
	list  []*entry
	asked []string
	// answer may answer in the place of the server.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T, versions ...string) *server {
	s := &server{t: t, files: map[string][]byte{}, canary: filepath.Join(t.TempDir(), "canary")}
	public, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.secret, s.keys = secret, []minisign.PublicKey{next, public}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	for _, version := range versions {
		s.publish(version)
	}
	return s
}

// program returns a program of a version, which is long enough to be cut.
func (s *server) program(version string) []byte {
	return fmt.Appendf(nil, "#!/bin/sh\necho %s >>'%s'\necho %s\nexit 0\n%s", version, s.canary, version, strings.Repeat("padding\n", 8<<10))
}

// publish adds a release, and returns how it is listed.
func (s *server) publish(version string) *entry {
	s.t.Helper()
	dir := s.t.TempDir()
	for _, platform := range selfupdate.Platforms() {
		program := append(s.program(version), platform.Name()...)
		if other := s.programs[version]; other != "" {
			program = []byte(other)
		}
		if err := os.WriteFile(filepath.Join(dir, platform.Name()), program, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := (publish.Release{Version: version, Secret: s.secret, Keys: s.keys}).Pack(dir); err != nil {
		s.t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	listed := &entry{Tag: "v" + version}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, file := range files {
		text := []byte(testkit.ReadFile(s.t, filepath.Join(dir, file.Name())))
		s.files[path(version, file.Name())] = text
		listed.Assets = append(listed.Assets, map[string]any{"name": file.Name(), "size": len(text), "state": "uploaded"})
	}
	s.list = append(s.list, listed)
	return listed
}

func path(version, name string) string { return "/download/v" + version + "/" + name }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path+" "+r.Header.Get("Range"))
	answer, text, there := s.answer, s.files[r.URL.Path], s.files[r.URL.Path] != nil
	if r.URL.Path == "/releases.json" && !there {
		text, there = s.listing(), true
	}
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(text))))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

func (s *server) listing() []byte {
	text, err := json.Marshal(s.list)
	if err != nil {
		s.t.Error(err)
	}
	return text
}

// replace changes how files are answered.
func (s *server) replace(files map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = files
}

// respond has a function answer, which says whether it did.
func (s *server) respond(answer func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// requests returns the paths and ranges that were asked for.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// options returns those of a program of that version in a folder of its own.
func (s *server) options(version string) selfupdate.Options {
	s.t.Helper()
	program := filepath.Join(s.t.TempDir(), "tale")
	if err := os.WriteFile(program, s.program(version), 0o755); err != nil {
		s.t.Fatal(err)
	}
	return selfupdate.Options{
		Environ: config.Environ{"TALE_RELEASES_URL": s.URL}, Version: version, Program: program,
		Platform: machine, Keys: s.keys, Progress: func(int64, int64) {},
	}.Impatient(10 * time.Second)
}

// upgrade plans and carries out.
func upgrade(t *testing.T, o selfupdate.Options) (*selfupdate.Plan, error) {
	t.Helper()
	plan, err := selfupdate.NewPlan(t.Context(), o)
	if err == nil && plan.Changes {
		_, err = plan.Carry(t.Context())
	}
	return plan, err
}

// versionOf returns of which version a program is, and fails the test if it is none, or
// if an upgrade has left something beside it.
func (s *server) versionOf(o selfupdate.Options, versions ...string) string {
	s.t.Helper()
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(o.Program), ".*"))
	if err != nil || len(beside) > 0 {
		s.t.Errorf("left beside it: %v, %v", beside, err)
	}
	text := testkit.ReadFile(s.t, o.Program)
	for _, version := range versions {
		if text == string(s.program(version)) || text == string(s.program(version))+machine.Name() {
			return version
		}
	}
	s.t.Fatalf("%s is no whole program: %.60q…", o.Program, text)
	return ""
}
