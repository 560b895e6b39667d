package console_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// TestResultIsAsDocumented: the manual has each member of the last line of --json.
func TestResultIsAsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/tale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n### Result\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var out bytes.Buffer
	p := console.NewProgress(console.Options{Data: &out, Talk: io.Discard, JSON: true})
	if err := p.Result("done", nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Failed(errors.New("refused")); err == nil {
		t.Error("the failure is lost")
	}
	decoder := json.NewDecoder(&out)
	for _, ok := range []bool{true, false} {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil || line["ok"] != ok || line["kind"] != "result" {
			t.Fatalf("%v, %v", line, err)
		}
		for member := range line {
			if !strings.Contains(part, "`"+member+"`") && !strings.Contains(part, `"`+member+`":`) {
				t.Errorf("%s is not documented", member)
			}
		}
	}
}

// TestALineHasOnlyWhatThereIs: a stage without words has no colon for them.
func TestALineHasOnlyWhatThereIs(t *testing.T) {
	for text, want := range map[string]string{"": "  read back (3 s so far)\n", "12 MB": "  read back: 12 MB (3 s so far)\n"} {
		var talk bytes.Buffer
		console.NewProgress(console.Options{Data: io.Discard, Talk: &talk}).Event(rollout.Event{Kind: rollout.Waiting, Stage: "read back", Text: text, Seconds: 3})
		if talk.String() != want {
			t.Errorf("%q", talk.String())
		}
	}
}

// TestQuotedIsWhatAShellReads: a command of a message can be pasted.
func TestQuotedIsWhatAShellReads(t *testing.T) {
	arguments := []string{"plain", "--version=1.2.3", "/my shop/Läden.tar", "", "it's", `a"b\c`, "$HOME `id` !x", "*?[a]{b,c}", "~", "a;b&c|d<e>f(g)#h", "two\nlines", "tab\there"}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", console.Quoted(`printf '%s\0'`, arguments...)).Output()
	if want := strings.Join(arguments, "\x00") + "\x00"; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	if plain := console.Quoted("tale restore", "/a/b-1.2.3.tar"); plain != "tale restore /a/b-1.2.3.tar" {
		t.Error(plain)
	}
}

// TestWhatFailedBeforeAnythingBegan is told as by commands without progress.
func TestWhatFailedBeforeAnythingBegan(t *testing.T) {
	var talk bytes.Buffer
	p := console.NewProgress(console.Options{Data: io.Discard, Talk: &talk})
	if err := p.Failed(errors.New("refused")); err == nil || talk.String() != "tale: refused\n" {
		t.Errorf("%v, %q", err, talk.String())
	}
}

// TestInterrupted: what becomes of what is under way is told once something is.
func TestInterrupted(t *testing.T) {
	var said bytes.Buffer
	p := console.NewProgress(console.Options{Data: io.Discard, Talk: &said})
	p.Interrupted("too early")
	p.Begin()
	p.Interrupted("it goes on")
	if got := said.String(); strings.Contains(got, "too early") || !strings.Contains(got, "it goes on") {
		t.Error(got)
	}
}
