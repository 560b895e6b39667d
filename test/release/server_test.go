// Package release makes a release with a key that is thrown away, serves it as GitHub
// does, installs it with the script, upgrades and goes back.
package release_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

const root = "../.."

// keys are the two pairs of a release.
type keys struct {
	secret minisign.PrivateKey
	public []minisign.PublicKey
}

func newKeys(t *testing.T) (k keys) {
	t.Helper()
	k.public = make([]minisign.PublicKey, 2)
	for i := range k.public {
		public, secret, err := minisign.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		k.public[i], k.secret = public, secret
	}
	return k
}

// text returns the public keys as keys.txt and the script have them.
func (k keys) text() string {
	var lines []string
	for _, key := range k.public {
		text, _ := key.MarshalText() // never fails
		words := strings.Fields(string(text))
		lines = append(lines, words[len(words)-1])
	}
	return strings.Join(lines, "\n")
}

// host serves releases as GitHub does.
type host struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	files  map[string][]byte // by version/name
	newest string
	asked  []string
	answer func(w http.ResponseWriter, r *http.Request) bool // in its place
}

func newHost(t *testing.T) *host {
	h := &host{t: t, files: map[string][]byte{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// add publishes a folder as a release, the newest so far.
func (h *host) add(version, folder string) {
	h.t.Helper()
	found, err := os.ReadDir(folder)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newest = version
	for _, file := range found {
		h.files[version+"/"+file.Name()] = []byte(testkit.ReadFile(h.t, filepath.Join(folder, file.Name())))
	}
}

// respond has a function answer, which reports whether it did.
func (h *host) respond(answer func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer, h.asked = answer, nil
}

func (h *host) requests() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.asked, "\n")
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.asked = append(h.asked, r.URL.Path)
	answer, newest, list := h.answer, h.newest, h.list()
	name, isFile := strings.CutPrefix(r.URL.Path, "/download/v")
	file, there := h.files[name]
	h.mu.Unlock()
	latest, isLatest := strings.CutPrefix(r.URL.Path, "/latest/download/")
	switch {
	case answer != nil && answer(w, r):
	case isLatest:
		http.Redirect(w, r, "/download/v"+newest+"/"+latest, http.StatusFound)
	case r.URL.Path == "/releases.json":
		_, _ = w.Write(list)
	case isFile && there:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	default:
		http.NotFound(w, r)
	}
}

// list returns the releases as GitHub's API lists them.
func (h *host) list() []byte {
	assets := map[string][]map[string]any{}
	for name, text := range h.files {
		version, file, _ := strings.Cut(name, "/")
		assets[version] = append(assets[version], map[string]any{"name": file, "size": len(text), "state": "uploaded"})
	}
	var list []map[string]any
	for version, files := range assets {
		list = append(list, map[string]any{"tag_name": "v" + version, "assets": files})
	}
	text, err := json.Marshal(list)
	if err != nil {
		h.t.Error(fmt.Errorf("cannot list: %w", err))
	}
	return text
}
