package project_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// TestReleases: a step is a release that was deployed, or with < one that was brought
// back; one that failed ends with !, one that ended as soon as it had visitors with ~.
func TestReleases(t *testing.T) {
	for steps, want := range map[string]string{
		"":                  "",
		"1":                 "1",
		"1 1 1":             "1",
		"1 2 3":             "1 2 3",
		"1 2! 3":            "1 3",
		"1 2 <1":            "1",
		"1 2 3 <2":          "1 2",
		"1 2 3 <2 <1":       "1",
		"1 2 3 <2 4":        "1 2 4",
		"1 2 <1 2":          "1 2",
		"1 2 1":             "1 2 1",
		"1 2 3 <1":          "1",
		"2 <1":              "2 1",
		"1 2 3 <2! <2 <1 5": "1 5",
		"1 2 1 3 <1":        "1 2 1",
		"1 2 1 2 3 <1 4":    "1 2 1 4",
		"1 2 <1~":           "1 2 1",
		"1 2 <1~ <2":        "1 2",
		"1 2 3 2~ 4 <2":     "1 2",
		"1 2~ 3 <2":         "1 2",
	} {
		p := &project.Project{Dir: t.TempDir()}
		for step := range strings.FieldsSeq(steps) {
			entry := project.Entry{Command: "tale", Result: project.Done, Rollback: strings.HasPrefix(step, "<")}
			if strings.HasSuffix(step, "!") {
				entry.Result, entry.Code = project.RolledBack, 1
			}
			entry.Release = strings.Trim(step, "<!~")
			entry.Ended = strings.HasSuffix(step, "~")
			entry.Images = map[string]project.Image{stack.Platform: {ID: entry.Release}}
			if err := p.Record(entry); err != nil {
				t.Fatal(err)
			}
		}
		history, err := p.History()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, release := range project.Releases(history) {
			got = append(got, release.Release)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %q: %q, want %q", steps, got, want)
		}
	}
}

// TestAnotherID: a project whose id was changed since its last release is told so, and none that
// has been deployed since, nor one whose history is older than that it has ids.
func TestAnotherID(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	deploy := func(result string) {
		t.Helper()
		if err := p.Record(project.Entry{Command: "tale deploy", Result: result, Images: map[string]project.Image{stack.DB: {ID: "1"}}}); err != nil {
			t.Fatal(err)
		}
	}
	deploy(project.Done)
	for _, step := range []struct{ id, result, want string }{
		{"shop-1", project.Done, ""},
		{"shop-2", project.Failed, `tale.json has the id shop-2, and the last release from this folder was of shop-1: its containers and volumes still have that name. Put "id": "shop-1" back there; in a copy of the folder that is to be a stack of its own, remove ` + p.Path("history.jsonl")},
		{"shop", project.Done, ""},
	} {
		p.File.ID = step.id
		deploy(step.result)
		if got := p.Renamed(); got != step.want {
			t.Errorf("%+v: %q", step, got)
		}
	}
}

// TestAnotherIDAfterAReset: of the former one nothing is left to speak of, unless only what has
// the new one was removed.
func TestAnotherIDAfterAReset(t *testing.T) {
	for command, want := range map[string]string{"tale reset --all --volumes": "", "tale reset --all --volumes=1": "", "tale reset --all": "shop-1", "tale reset --volumes=false": "shop-1"} {
		for _, under := range []string{"shop-1", "shop-2"} {
			p := &project.Project{Dir: t.TempDir(), File: project.File{ID: "shop-2"}}
			for _, e := range []project.Entry{
				{Command: "tale deploy", Project: "shop-1", Result: project.Done, Images: map[string]project.Image{stack.DB: {ID: "1"}}},
				{Command: command, Project: under, Result: project.Done},
			} {
				if err := p.Remember(e); err != nil {
					t.Fatal(err)
				}
			}
			want := want
			if under == "shop-2" {
				want = "shop-1"
			}
			if got := p.FormerID(); got != want {
				t.Errorf("after %s of %s: %q, want %q", command, under, got, want)
			}
		}
	}
}

// TestBeginRemovesWhatAKilledRunHasLeft: half a compose file holds secrets.
func TestBeginRemovesWhatAKilledRunHasLeft(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	for _, name := range []string{".p-green.yml.4205667010", "p-green.yml"} {
		if err := p.Write([]byte("x"), "compose", name); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Begin(project.Entry{Command: "tale"}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(p.Path("compose"))
	if err != nil || len(left) != 1 || left[0].Name() != "p-green.yml" {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestARunThatWasKilledIsInTheHistory: the next one, or whatever else is done then, puts it
// there, with the snapshot that it had taken, and nothing is put there twice.
func TestARunThatWasKilledIsInTheHistory(t *testing.T) {
	at := func(n int) project.Entry {
		return project.Entry{Time: time.Unix(int64(n), 123456789).UTC(), Command: fmt.Sprint("tale ", n), Result: project.Done, Snapshot: fmt.Sprint(n, ".tar")}
	}
	for name, tt := range map[string]struct {
		do   func(*project.Project) error
		want string
	}{
		"another run":       {func(p *project.Project) error { return errors.Join(p.Begin(at(2)), p.Begin(at(2)), p.Record(at(2))) }, "tale 1 killed 1.tar, tale 2 done 2.tar"},
		"another that dies": {func(p *project.Project) error { return p.Begin(at(2)) }, "tale 1 killed 1.tar"},
		"another command":   {func(p *project.Project) error { return p.Record(at(3)) }, "tale 1 killed 1.tar, tale 3 done 3.tar"},
		"it had its entry":  {func(p *project.Project) error { return errors.Join(p.Append(at(1)), p.Begin(at(2)), p.Record(at(2))) }, "tale 1 done 1.tar, tale 2 done 2.tar"},
		"it was not killed": {func(p *project.Project) error { return errors.Join(p.Remember(at(0)), p.Record(at(1))) }, "tale 0 done 0.tar, tale 1 done 1.tar"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &project.Project{Dir: t.TempDir()}
			if err := errors.Join(p.Begin(at(1)), tt.do(p)); err != nil {
				t.Fatal(err)
			}
			entries, err := p.History()
			var got []string
			for _, e := range entries {
				got = append(got, strings.Join([]string{e.Command, e.Result, e.Snapshot}, " "))
			}
			if text := strings.Join(got, ", "); text != tt.want || err != nil {
				t.Errorf("%s, %v, want %s", text, err, tt.want)
			}
		})
	}
}
