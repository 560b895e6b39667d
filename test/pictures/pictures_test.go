package pictures

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var (
	programs = flag.String("programs", "", "draw what the programs in this `FOLDER` print, and write the pictures to docs/images")
	check    = flag.Bool("check", false, "write none, and compare those in docs/images with them")
)

const (
	root   = "../.."
	images = root + "/docs/images"
	// most is the size of a picture, in bytes.
	most = 60_000
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m, nil)) }

func TestALineIsDrawnAsATerminalShowsIt(t *testing.T) {
	long := strings.Repeat("x", columns)
	picture := draw("tool <a>", "gone\r\x1b[K\x1b[1;32mnew\x1b[0m & plain\n"+long+"y\n\x1b[1m"+long+"y\n")
	for _, want := range []string{"tool &lt;a&gt;", `<tspan font-weight="bold" fill="#7ee787">new</tspan> &amp; plain<`, ">" + long + "<", ">y<", long[1:] + "…<"} {
		if !strings.Contains(picture, want) {
			t.Errorf("no %q in %s", want, picture)
		}
	}
	if strings.Contains(picture, "gone") {
		t.Error("a line that was written anew shows what stood there")
	}
}

// TestPicturesAreSmallAndUsed looks at those that are in the tree.
func TestPicturesAreSmallAndUsed(t *testing.T) {
	tour, err := os.ReadFile(root + "/docs/tour.md")
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(images + "/*.svg")
	if err != nil || len(found) < 4 {
		t.Fatalf("%d pictures, %v", len(found), err)
	}
	for _, name := range found {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(content) > most {
			t.Errorf("%s has %d bytes; %d are the most", name, len(content), most)
		}
		decoder := xml.NewDecoder(bytes.NewReader(content))
		for err = nil; err == nil; {
			_, err = decoder.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(string(tour), "images/"+filepath.Base(name)) {
			t.Errorf("docs/tour.md does not show %s", name)
		}
	}
}

// TestDraw runs the programs and draws what they print.
func TestDraw(t *testing.T) {
	if *programs == "" {
		return // the pictures in the tree stay
	}
	a := &artist{t: t, folder: t.TempDir()}
	demo := a.start("demo", "--app", filepath.Join(root, "examples/guestbook"), "--dir", a.folder)
	for len(demo.Ended()) == 0 && !demo.Says("Ctrl-C stops everything") {
		time.Sleep(time.Second) // npm may install and build for minutes
	}
	a.save("demo.svg", "make demo", demo.Output.String())
	a.save("doctor.svg", "platform-entrypoint doctor", a.print("doctor"))

	a.fault(`{"stage": "start_push", "delay": "25s"}`)
	push := a.start("platform-entrypoint", a.args("push")...)
	var status string
	testkit.Eventually(t, "the push waits for an answer", func() bool {
		status = a.print("status")
		return strings.Contains(status, "no answer yet")
	})
	a.save("push-running.svg", "platform-entrypoint status", status)
	push.Stop(time.Minute)

	a.fault(`{"stage": "start_push", "status": 400, "code": "InvalidModules", "message": "Loading the pushed modules encountered the following error: Failed to analyze entries.js: Uncaught ReferenceError: limiter is not defined at entries.ts:12:3"}`)
	failed := a.start("platform-entrypoint", a.args("push")...)
	if status := failed.WaitWithin(time.Minute); status != exit.DeployRefused {
		t.Errorf("the push ends with %d", status)
	}
	a.save("push-failed.svg", "platform-entrypoint push", failed.Output.String())
}

// artist runs the programs beside the demo's stack.
type artist struct {
	t      *testing.T
	folder string // of the demo
	status string // address of the pushes' status port
}

func (a *artist) jobAddress() string {
	if a.status == "" {
		a.status = testkit.FreeAddress(a.t)
	}
	return a.status
}

// args returns those of a command that looks at the demo's platform, or pushes as it does.
func (a *artist) args(command string) []string {
	return []string{"--env-file", filepath.Join(a.folder, "platform.env"), command}
}

func (a *artist) start(program string, args ...string) *testkit.Terminal {
	a.t.Helper()
	command := exec.CommandContext(a.t.Context(), filepath.Join(*programs, program), args...)
	command.Env = append(os.Environ(), "TERM=xterm-256color", "CONVEX_FORCE_PUSH=true")
	if args[len(args)-1] == "push" {
		command.Env = append(command.Env, "STATUS_ADDR="+a.jobAddress(), "TALE_RUN_DIR="+a.t.TempDir())
	}
	return testkit.StartOnTerminal(a.t, command)
}

// print returns what a command about the demo's platform prints; status is that of a
// push that runs beside it.
func (a *artist) print(command string) string {
	a.t.Helper()
	args := a.args(command)
	run := exec.CommandContext(a.t.Context(), filepath.Join(*programs, "platform-entrypoint"), args...)
	run.Env = append(os.Environ(), "TERM=xterm-256color")
	if command == "status" {
		run.Env = append(run.Env, "STATUS_ADDR="+a.jobAddress())
	}
	p := testkit.StartOnTerminal(a.t, run)
	p.WaitWithin(time.Minute)
	return p.Output.String()
}

// fault takes the simulator's faults away, and gives it another.
func (a *artist) fault(object string) {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.folder, "platform.env"))
	if err != nil {
		a.t.Fatal(err)
	}
	url := string(convexURL.FindSubmatch(text)[1]) + "/_sim/faults"
	for _, method := range []string{http.MethodDelete, http.MethodPost} {
		request, err := http.NewRequestWithContext(a.t.Context(), method, url, strings.NewReader(object))
		if err != nil {
			a.t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode >= 300 {
			a.t.Fatalf("%s %s: %v, %v", method, url, response, err)
		}
		_ = response.Body.Close()
	}
}

var convexURL = regexp.MustCompile(`(?m)^CONVEX_URL="([^"]+)"$`)

// save draws a picture that shows nothing of this machine.
func (a *artist) save(name, command, output string) {
	a.t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		a.t.Fatal(err)
	}
	output = strings.NewReplacer(a.folder, "/tmp/demo", here+"/", "", root+"/", "").Replace(output)
	file, picture := filepath.Join(images, name), draw(command, output)
	if *check {
		if differences := stale(testkit.ReadFile(a.t, file), picture, wide[name]); len(differences) > 0 {
			a.t.Errorf("%s shows what is not printed any more, draw it with make pictures:\n%s", name, strings.Join(differences, "\n"))
		}
		return
	}
	if err := os.WriteFile(file, []byte(picture), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// wide is how much of the lines is of the program and not of the host that it runs on: of the
// doctor what it looks at.
var wide = map[string]int{"doctor.svg": 26}

func TestAPictureIsStale(t *testing.T) {
	long := strings.Repeat("x", columns)
	old := draw("tool", "started 1.2s ago\n\x1b[1mready\x1b[0m  3 of 4 & more\n"+long+" goes on below\nlooks  at this: 1")
	for name, tt := range map[string]struct {
		output string
		wide   int
		want   []string
	}{
		"another run":      {"ready 12 of 7 & more\nstarted ago\n" + long + " goes on below\nlooks at 2026-01-01 this:", 0, nil},
		"another host":     {"started\nready\n" + long + " goes on\nlooks  to that: 1", 5, nil},
		"another text":     {"started 1s ago\nready  3 of 4 & more\n" + long + " goes on beside\nlooks at this:", 0, []string{"- " + long + " goes on below", "+ " + long + " goes on beside"}},
		"less than before": {"started 1s ago\nready  3 of 4 & more\n" + long + " goes on below", 0, []string{"- looks at this:"}},
	} {
		if got := stale(old, draw("tool", tt.output), tt.wide); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
