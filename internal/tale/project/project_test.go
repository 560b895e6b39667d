package project

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// folder returns a folder with the files, by name.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Märchen Shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFindWalksUp(t *testing.T) {
	dir := folder(t, map[string]string{FileName: `{"version":1,"id":"shop-1a2b3c"}`})
	below := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	// A link to the folder is another way to the same one; a folder behind a link is below its link.
	links := t.TempDir()
	elsewhere, link, outside := t.TempDir(), filepath.Join(links, "shop"), filepath.Join(dir, "outside")
	if err := errors.Join(os.Symlink(dir, link), os.Symlink(elsewhere, outside)); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{dir, below, link, filepath.Join(link, "a"), outside} {
		p, err := Find(from)
		if err != nil || p.Dir != dir || p.File.ID != "shop-1a2b3c" {
			t.Errorf("%s: %+v, %v", from, p, err)
		}
	}
	for _, from := range []string{t.TempDir(), filepath.Join(dir, "nowhere"), filepath.Join(dir, FileName)} {
		if _, err := Find(from); exit.Code(err) != exit.Config {
			t.Errorf("%s: %v", from, err)
		}
	}
	if _, err := Find(t.TempDir()); !strings.Contains(err.Error(), "tale init") {
		t.Error(err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		``:                               "not a JSON object",
		`null`:                           "not a JSON object",
		`[]`:                             "not a JSON object",
		`{"version":2}`:                  "newer tale",
		`{"version":"1"}`:                "version is of another type",
		`{"id":"Shop"}`:                  `id "Shop" is malformed`,
		`{"id":"-shop"}`:                 "malformed",
		`{"id":"../x"}`:                  "malformed",
		`{"id":"a\n"}`:                   "malformed",
		`{"id":"` + long(41) + `"}`:      "malformed",
		`{"services":["web","db"]}`:      `services name "web", which is unknown; accepted: db, convex, platform, proxy, rag, crawler`,
		`{"services":["db","db"]}`:       "twice",
		`{"services":["db","platform"]}`: "platform without convex",
		`{"services":["db","rag"]}`:      "rag without convex",
		`{"services":"db"}`:              "services is of another type",
		`{"images":{"web":"x"}}`:         `images name "web"`,
		`{"images":{"platform":"A B"}}`:  "images has",
		`{"images":{"platform":""}}`:     "images has",
		`{"service":["db"]}`:             "service is unknown; accepted: services",
		`{"imgaes":{}}`:                  "imgaes is unknown; accepted: images",
		`{"ID":"shop"}`:                  "ID is unknown; accepted: id",
		"{\n\n\"id\": x}":                "not a JSON object: look at line 3",
	} {
		_, err := Find(folder(t, map[string]string{FileName: text}))
		if exit.Code(err) != exit.Config || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), FileName) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	_, err := Find(folder(t, map[string]string{FileName: `{"id":"X","services":["web"],"images":{"y":"z"}}`}))
	if strings.Count(err.Error(), "\n  - ") != 3 {
		t.Errorf("not all at once: %v", err)
	}
}

func long(n int) string { return strings.Repeat("a", n) }

func TestUnknownMembersStay(t *testing.T) {
	dir := folder(t, map[string]string{FileName: `{"zoo":{"b":[1,1.50,"<>"],"a":null},"Zoo":"other","version":1,"cliVersion":"0.2.30","images":{"platform":"registry.example/shop:1.4"}}`})
	p, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	made, err := p.EnsureID()
	if err != nil || !made || !strings.HasPrefix(p.File.ID, "m-rchen-shop-") {
		t.Fatalf("%v, %q, %v", made, p.File.ID, err)
	}
	want := `{
  "version": 1,
  "cliVersion": "0.2.30",
  "id": "` + p.File.ID + `",
  "images": {
    "platform": "registry.example/shop:1.4"
  },
  "Zoo": "other",
  "zoo": {
    "b": [
      1,
      1.50,
      "<>"
    ],
    "a": null
  }
}
`
	if got := read(t, dir, FileName); got != want {
		t.Errorf("%s", got)
	}
	again, err := Find(dir)
	if err != nil || again.File.ID != p.File.ID {
		t.Errorf("%+v, %v", again, err)
	}
	if made, err := again.EnsureID(); made || err != nil {
		t.Errorf("a second id: %v, %v", made, err)
	}
}

func TestTwoProcessesGiveOneID(t *testing.T) {
	dir := folder(t, map[string]string{FileName: `{"version":1}`})
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		p, err := Find(dir)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if _, err := p.EnsureID(); err != nil {
				t.Error(err)
			}
			ids[i] = p.File.ID
		})
	}
	wg.Wait()
	if slices.Sort(ids); ids[0] != ids[7] {
		t.Error(ids)
	}
}

func TestIDs(t *testing.T) {
	for name, base := range map[string]string{
		"shop": "shop", "My_Shop 2": "my-shop-2", "--": "tale", "": "tale", "ärger": "rger",
		long(50): long(33), long(32) + "-x": long(32), "a..b": "a-b",
	} {
		id := newID(name)
		if !strings.HasPrefix(id, base+"-") || len(id) != len(base)+7 || len(id) > maxID || !idForm.MatchString(id) {
			t.Errorf("%q: %q, want %q", name, id, base)
		}
	}
}

func TestServices(t *testing.T) {
	p := &Project{}
	if len(p.Services()) != 6 || !p.Has("crawler") {
		t.Errorf("%v", p.Services())
	}
	p.File.Services = []string{"proxy", "convex"}
	if services := p.Services(); len(services) != 2 || services[0].Name != "convex" || p.Has("db") {
		t.Errorf("%v", services)
	}
}

// What root writes belongs to the folder's owner, who could not deploy otherwise.
func TestOwnerOfWhatRootWrites(t *testing.T) {
	testkit.RequireRoot(t)
	dir := folder(t, nil)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	p, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write([]byte("x"), "compose", "a.yml"); err != nil {
		t.Fatal(err)
	}
	if err := p.Record(Entry{Command: "deploy"}); err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if owner := info.Sys().(*syscall.Stat_t); err != nil || owner.Uid != nobody || owner.Gid != nobody {
			t.Errorf("%s belongs to %d: %v", path, owner.Uid, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteIsForTheOwnerOnly(t *testing.T) {
	p := &Project{Dir: folder(t, nil)}
	if err := p.Write([]byte("x"), "compose", "a.yml"); err != nil {
		t.Fatal(err)
	}
	for path, perm := range map[string]os.FileMode{p.Path(): 0o700, p.Path("compose"): 0o700, p.Path("compose", "a.yml"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != perm {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestHistorySurvives(t *testing.T) {
	p := &Project{Dir: folder(t, nil)}
	if entries, err := p.History(); entries != nil || err != nil {
		t.Fatal(entries, err)
	}
	if err := p.Record(Entry{Command: "deploy", Release: "1", Result: Done}); err != nil {
		t.Fatal(err)
	}
	path := p.Path(historyName)
	whole := read(t, path)
	for cut := 1; cut < len(whole); cut++ {
		if err := os.WriteFile(path, []byte(whole+whole[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Record(Entry{Command: "deploy", Release: "2", Result: Done}); err != nil {
			t.Fatal(err)
		}
		entries, err := p.History()
		last := len(entries) - 1
		if err != nil || last < 1 || entries[0].Release != "1" || entries[last].Release != "2" {
			t.Fatalf("cut at %d: %v, %v", cut, entries, err)
		}
	}
}

func TestHistoryOnAFullDisk(t *testing.T) {
	p := &Project{Dir: folder(t, nil)}
	if err := p.MakeFolder(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", p.Path(historyName)); err != nil {
		t.Fatal(err)
	}
	if err := p.Record(Entry{Command: "deploy"}); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Error(err)
	}
}

func TestFilesForOlderTools(t *testing.T) {
	p := &Project{Dir: folder(t, nil)}
	if err := p.Switched("green", "1.4"); err != nil {
		t.Fatal(err)
	}
	if colour, previous := read(t, p.Path("deployment-color")), read(t, p.Path("deployment-previous-version")); colour != "green" || previous != "1.4" {
		t.Errorf("%q, %q", colour, previous)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(`{"version":1,"id":"a-b","x":[1,{"y":"é"}],"services":["convex","db"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		file, problems := decode([]byte(text))
		if len(problems) > 0 {
			return
		}
		again, problems := decode(file.encode())
		if len(problems) > 0 || !json.Valid(file.encode()) || string(again.encode()) != string(file.encode()) {
			t.Fatalf("%s becomes %s: %v", text, file.encode(), problems)
		}
	})
}
