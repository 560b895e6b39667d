package project_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// TestReleases: a step is a release that was deployed, or with < one that was brought
// back; one that failed ends with !.
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
	} {
		p := &project.Project{Dir: t.TempDir()}
		for step := range strings.FieldsSeq(steps) {
			entry := project.Entry{Command: "tale", Result: project.Done, Rollback: strings.HasPrefix(step, "<")}
			if strings.HasSuffix(step, "!") {
				entry.Result, entry.Code = project.RolledBack, 1
			}
			entry.Release = strings.Trim(step, "<!")
			entry.Images = map[string]project.Image{stack.Platform: {ID: entry.Release}}
			if err := p.Record(entry); err != nil {
				t.Fatal(err)
			}
		}
		releases, err := p.Releases()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, release := range releases {
			got = append(got, release.Release)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %q: %q, want %q", steps, got, want)
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
