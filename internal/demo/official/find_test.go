package official

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const tag = "precompiled-2026-01-02-abcdef0"

// published returns an archive with one file, and its SHA-256.
func published(t *testing.T, name string) (packed []byte, sum string) {
	t.Helper()
	var into bytes.Buffer
	archive := zip.NewWriter(&into)
	file, err := archive.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "#!/bin/sh\n"+strings.Repeat("the backend ", 10_000)); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(into.Bytes())
	return into.Bytes(), hex.EncodeToString(digest[:])
}

// finder returns one whose releases are at url.
func finder(t *testing.T, url, sum string) *Finder {
	t.Helper()
	f := New(t.TempDir(), t.TempDir(), func(int64, int64) {})
	f.base, f.machine, f.silence = url+"/", "plan9/mips", 30*time.Second
	f.release = release{tag, map[string]archive{"plan9/mips": {"mips-plan9", sum}}}
	return f
}

// left returns the files below a folder.
func left(t *testing.T, folder string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTheReleaseIsDownloadedOnce(t *testing.T) {
	packed, sum := published(t, program)
	var asked []string
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(packed) }))
	t.Cleanup(storage.Close)
	// As the real one, whose archives are somewhere else.
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		http.Redirect(w, r, storage.URL+"/signed", http.StatusFound)
	}))
	t.Cleanup(pages.Close)
	f := finder(t, pages.URL, sum)
	var arrived int64
	f.Progress = func(done, total int64) {
		arrived = done
		if total != int64(len(packed)) {
			t.Errorf("of %d bytes", total)
		}
	}
	for range 2 {
		found, err := f.Find(t.Context(), Real)
		if err != nil {
			t.Fatal(err)
		}
		if err := executable(found.Path); err != nil || found.Name != program+" "+tag {
			t.Errorf("%+v, %v", found, err)
		}
	}
	if want := "/" + tag + "/convex-local-backend-mips-plan9.zip"; len(asked) != 1 || asked[0] != want || arrived != int64(len(packed)) {
		t.Errorf("asked for %q, %d bytes arrived", asked, arrived)
	}
	if files := left(t, f.Cache); len(files) != 1 {
		t.Errorf("left: %q", files)
	}
}

func TestABrokenDownloadLeavesNothing(t *testing.T) {
	packed, sum := published(t, program)
	empty, sumOfEmpty := published(t, "README")
	tests := map[string]struct {
		sum    string
		answer func(w http.ResponseWriter, r *http.Request)
		want   string
		code   int
	}{
		"cut": {sum, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(packed)))
			_, _ = w.Write(packed[:len(packed)/2])
		}, fmt.Sprintf("it ended after %d of %d bytes", len(packed)/2, len(packed)), exit.Unavailable},
		"silent": {sum, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(packed[:10])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "nothing came for", exit.Unavailable},
		"another archive": {strings.Repeat("0", 64), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(packed) }, "is pinned; it was not unpacked", exit.Failure},
		"a page": {sum, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>sign in to this network")
		}, "is pinned", exit.Failure},
		"not there":  {sum, http.NotFound, "answered 404 Not Found", exit.Unavailable},
		"endless":    {sum, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, "stopped after 10 redirects", exit.Unavailable},
		"no archive": {hashOf("text"), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") }, "cannot unpack", exit.Failure},
		"without it": {sumOfEmpty, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(empty) }, "cannot unpack", exit.Failure},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(tt.answer))
			t.Cleanup(server.Close)
			f := finder(t, server.URL, tt.sum)
			if name == "silent" {
				f.silence = 100 * time.Millisecond
			}
			_, err := f.Find(t.Context(), Real)
			if err == nil || !strings.Contains(err.Error(), tt.want) || exit.Code(err) != tt.code {
				t.Errorf("exit %d: %v; want %d: %s", exit.Code(err), err, tt.code, tt.want)
			}
			if files := left(t, f.Cache); len(files) != 0 {
				t.Errorf("left: %q", files)
			}
		})
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestADownloadThatCannotBegin(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	f := finder(t, server.URL, "")
	if _, err := f.Find(t.Context(), Real); exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "BACKEND=/path/to/") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
	f.machine = "plan9/arm"
	if _, err := f.Find(t.Context(), Real); exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "there is none for plan9/arm") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
}

func TestADownloadEndsWithItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	cause := errors.New("Ctrl-C")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(cause)
	if _, err := finder(t, server.URL, "").Find(ctx, Real); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsThereIsTaken(t *testing.T) {
	f := finder(t, "http://127.0.0.1:1", "")
	place := func(perm os.FileMode, names ...string) string {
		path := filepath.Join(append([]string{f.Home}, names...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, perm); err != nil {
			t.Fatal(err)
		}
		return path
	}
	client := func(tag string, perm os.FileMode) string {
		return place(perm, ".cache", "convex", "binaries", tag, program)
	}
	client("precompiled-2025-12-01-aaaaaaa", 0o755)
	newest := client("precompiled-2026-02-01-bbbbbbb", 0o755)
	client("precompiled-2026-03-01-ccccccc", 0o644) // half a download
	if found, err := f.Find(t.Context(), Real); err != nil || found.Path != newest || found.Name != program+" precompiled-2026-02-01-bbbbbbb" {
		t.Errorf("%+v, %v", found, err)
	}
	named := place(0o755, "mine")
	if found, err := f.Find(t.Context(), named); err != nil || found.Path != named {
		t.Errorf("%+v, %v", found, err)
	}
	for _, wrong := range []string{place(0o600, "text"), f.Home, filepath.Join(f.Home, "nowhere")} {
		if _, err := f.Find(t.Context(), wrong); exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: exit %d: %v", wrong, exit.Code(err), err)
		}
	}
}

// A pin with a slip in it would be found out by its first user.
func TestThePinIsComplete(t *testing.T) {
	r := pinned()
	if !regexp.MustCompile(`^precompiled-\d{4}-\d{2}-\d{2}-[0-9a-f]{7}$`).MatchString(r.tag) {
		t.Errorf("tag %q", r.tag)
	}
	seen := map[string]bool{}
	for _, machine := range []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"} {
		a, ok := r.archives[machine]
		if sum, err := hex.DecodeString(a.sha256); !ok || err != nil || len(sum) != sha256.Size || seen[a.sha256] || seen[a.target] {
			t.Errorf("%s: %+v", machine, a)
		}
		seen[a.sha256], seen[a.target] = true, true
	}
}
