package convexsim_test

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// bundled is the app of testdata/live as the real command line client pushes it,
// made by the first test that needs it.
var bundled struct {
	sync.Mutex
	push object
}

func livePush(t *testing.T) object {
	t.Helper()
	bundled.Lock()
	defer bundled.Unlock()
	if bundled.push == nil {
		c := newestClient(t, simtest.Start(t, convexsim.Options{}))
		c.must(t, deployArgs("--push-all-modules", "--write-push-request", "request")...)
		text, err := os.ReadFile(filepath.Join(c.folder, "request.json"))
		if err == nil {
			err = json.Unmarshal(text, &bundled.push)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return maps.Clone(bundled.push)
}

func newestClient(t *testing.T, s *convexsim.Server) *client {
	t.Helper()
	packages := testkit.ConvexCLIs(t)
	newest := slices.Max(slices.Collect(maps.Keys(packages)))
	return newClient(t, "live", newest, packages[newest], s)
}

// live starts a simulator that runs functions and has the app.
func live(t *testing.T) *convexsim.Server {
	t.Helper()
	push := livePush(t)
	s := simtest.Start(t, convexsim.Options{Runner: testkit.FunctionRunner(t)})
	deploy(t, s, push)
	return s
}

// browser is the official client of browsers, in a process of its own.
type browser struct {
	t     *testing.T
	input io.Writer

	mu    sync.Mutex
	calls int
	heard map[int]chan object // by the number of the call
}

func newBrowser(t *testing.T, s *convexsim.Server) *browser {
	t.Helper()
	folder := t.TempDir()
	packages := testkit.ConvexCLIs(t)
	newest := slices.Max(slices.Collect(maps.Keys(packages)))
	text, err := os.ReadFile(filepath.Join("testdata", "live", "client.mjs"))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "client.mjs"), text, 0o600)
	}
	if err == nil {
		err = os.Symlink(packages[newest], filepath.Join(folder, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	engine, _, _ := strings.Cut(testkit.NodePath(t), string(os.PathListSeparator))
	command := exec.Command(filepath.Join(engine, "node"), "client.mjs", s.URL())
	command.Dir = folder
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, write := io.Pipe()
	command.Stdout = write
	b := &browser{t: t, input: input, heard: map[int]chan object{}}
	go b.listen(output)
	testkit.Start(t, command)
	return b
}

func (b *browser) listen(output io.Reader) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var said struct {
			ID int `json:"id"`
		}
		var all object
		if json.Unmarshal(lines.Bytes(), &said) != nil || json.Unmarshal(lines.Bytes(), &all) != nil {
			continue
		}
		b.mu.Lock()
		heard := b.heard[said.ID]
		b.mu.Unlock()
		heard <- all
	}
}

// say calls a method of the client; what comes of it is in the channel.
func (b *browser) say(method, name string, args object) <-chan object {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.heard[b.calls] = make(chan object, 1000)
	line, err := json.Marshal(object{"id": b.calls, "method": method, "name": name, "args": args})
	if err == nil {
		_, err = b.input.Write(append(line, '\n'))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return b.heard[b.calls]
}

// do calls a function and returns its value.
func (b *browser) do(method, name string, args object) any {
	b.t.Helper()
	got := next(b.t, b.say(method, name, args))
	if got["error"] != nil {
		b.t.Fatalf("%s %s: %v", method, name, got["error"])
	}
	return got["value"]
}

func next(t *testing.T, heard <-chan object) object {
	t.Helper()
	select {
	case got := <-heard:
		return got
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		return nil
	}
}

// until returns the first result that a fact holds for.
func until(t *testing.T, heard <-chan object, fact func(value any) bool) any {
	t.Helper()
	for {
		if got := next(t, heard); fact(got["value"]) {
			return got["value"]
		} else if got["error"] != nil {
			t.Fatalf("got %v", got["error"])
		}
	}
}

func length(n int) func(any) bool {
	return func(value any) bool { return size(value) == n }
}

func TestOneWritesAndTheOtherSeesIt(t *testing.T) {
	s := live(t)
	one, other := newBrowser(t, s), newBrowser(t, s)
	seen := other.say("watch", "entries:list", object{})
	until(t, seen, length(0))
	id := one.do("mutation", "entries:sign", object{"author": "Ada", "text": "hello there"})
	entry := until(t, seen, length(1))
	if dig(entry, 0, "_id") != id || dig(entry, 0, "author") != "Ada" {
		t.Errorf("the other sees %v", entry)
	}
	found := other.say("watch", "entries:search", object{"words": "there"})
	until(t, found, length(1))
	one.do("mutation", "entries:sign", object{"author": "Bob", "text": "there, too"})
	until(t, found, length(2))
	if counted := one.do("action", "entries:count", object{}); dig(counted, "entries") == nil {
		t.Errorf("counted %v", counted)
	}

	s = simtest.Restart(t, s)
	one.do("mutation", "entries:sign", object{"author": "Cy", "text": "after the restart"})
	entries := until(t, seen, length(3))
	if dig(entries, 2, "_id") != id {
		t.Errorf("after a restart the other sees %v", entries)
	}
	if got := call(t, s, http.MethodPost, "/api/query", functionCall("entries:search", object{"words": "restart"}), noKey); !strings.Contains(got.body, "after the restart") {
		t.Errorf("over HTTP: %s", got.body)
	}
}
