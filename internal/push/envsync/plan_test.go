package envsync

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPlanEnv(t *testing.T) {
	goal := Goal{
		Values: map[string]string{
			"NEW": "n", "SAME": "s", "OTHER": "wanted!", "GONE": "", "NEVER": "", "EXTRA": "e",
		},
		Legacy: map[string]string{"AGENTS_DIR": "/app/data/agents", "PROVIDERS_DIR": "/app/data/providers", "WORKFLOWS_DIR": "/app/data/workflows"},
	}
	current := map[string]string{
		"SAME": "s", "OTHER": "have", "GONE": "old", "THEIRS": "operator", "EXTRA": "",
		"AGENTS_DIR": "/app/data/agents", "PROVIDERS_DIR": "/data/mine",
	}
	want := []Change{
		{Name: "AGENTS_DIR", Kind: Removed, Before: 16, Note: "pushed by an older version; functions derive it from TALE_CONFIG_DIR"},
		{Name: "EXTRA", Kind: Updated, Bytes: 1},
		{Name: "GONE", Kind: Removed, Before: 3},
		{Name: "NEVER", Kind: Unset},
		{Name: "NEW", Kind: New, Bytes: 1},
		{Name: "OTHER", Kind: Updated, Bytes: 7, Before: 4},
		{Name: "PROVIDERS_DIR", Kind: Foreign, Bytes: 10, Before: 10, Note: "pushed by an older version and changed by an operator since; left alone"},
		{Name: "SAME", Kind: Unchanged, Bytes: 1, Before: 1},
		{Name: "THEIRS", Kind: Foreign, Bytes: 8, Before: 8},
	}
	plan := NewPlan(goal, current, nil)
	if !slices.Equal(plan.Changes, want) {
		t.Errorf("changes\n%+v\nwant\n%+v", plan.Changes, want)
	}
	written := map[string]*string{}
	for _, update := range plan.Updates() {
		written[update.Name] = update.Value
	}
	if names := slices.Sorted(maps.Keys(written)); !slices.Equal(names, []string{"AGENTS_DIR", "EXTRA", "GONE", "NEW", "OTHER"}) {
		t.Errorf("updates of %v", names)
	}
	if written["GONE"] != nil || written["AGENTS_DIR"] != nil || *written["OTHER"] != "wanted!" {
		t.Error("an update has the wrong value")
	}
	if got := plan.Summary(); got != "1 new, 2 updated, 1 unchanged, 2 removed" {
		t.Errorf("summary %q", got)
	}
}

// A variable that exists and is empty is not the same as one that is not there.
func TestPlanEnvRemovesAnEmptyVariable(t *testing.T) {
	plan := NewPlan(Goal{Values: map[string]string{"A": ""}}, map[string]string{"A": ""}, nil)
	if len(plan.Updates()) != 1 || plan.Updates()[0].Value != nil {
		t.Errorf("updates %+v", plan.Updates())
	}
}

func TestPlanEnvShowsNoValue(t *testing.T) {
	plan := NewPlan(Goal{Values: map[string]string{"SECRET": "canary-wanted"}}, map[string]string{"SECRET": "canary-have", "THEIRS": "canary-theirs"}, nil)
	var text strings.Builder
	if err := plan.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	if shown := text.String() + string(document); strings.Contains(shown, "canary") || !strings.Contains(shown, "SECRET") {
		t.Errorf("shown: %s", shown)
	}
}

func TestDriftNeedsAMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "platform-env.json")
	secret := strings.Repeat("ab", 32)
	goal := Goal{Values: map[string]string{"KEPT": "1", "CHANGED_HERE": "1", "CHANGED_THERE": "1", "ADDED_THERE": "", "REMOVED_THERE": "1"}}
	if err := OpenMemory(path, secret).remember(goal); err != nil {
		t.Fatal(err)
	}
	goal.Values["CHANGED_HERE"] = "2"
	goal.Values["NEW_HERE"] = "1"
	current := map[string]string{"KEPT": "1", "CHANGED_HERE": "1", "CHANGED_THERE": "x", "ADDED_THERE": "x"}
	drift := NewPlan(goal, current, OpenMemory(path, secret)).Drift()
	if !slices.Equal(drift, []string{"ADDED_THERE", "CHANGED_THERE", "REMOVED_THERE"}) {
		t.Errorf("drift %v", drift)
	}
	for name, memory := range map[string]*Memory{
		"none":             nil,
		"missing":          OpenMemory(path+".missing", secret),
		"another instance": OpenMemory(path, strings.Repeat("cd", 32)),
	} {
		if drift := NewPlan(goal, current, memory).Drift(); drift != nil {
			t.Errorf("memory %s: drift %v", name, drift)
		}
	}
}

func TestEnvwarningsOf(t *testing.T) {
	const pem = "-----BEGIN KEY-----\nab\n-----END KEY-----\n"
	for value, want := range map[string]string{
		"plain": "", "a=b==": "", "-----x": "", "it's": "", `"`: "", pem: "", "": "", "$HOME": "",
		`"quoted"`: "wrapped in quotes", "'quoted'": "wrapped in quotes",
		"tail\r": "carriage return", "tail ": "blank", "\thead": "blank", "tail\n": "line break",
		`-----BEGIN KEY-----\nab\n-----END KEY-----`: `\n`,
		"{\n  \"a\": 1\n}":                           "", "http://${HOST}/": "nothing has replaced", "${A:-b}": "nothing has replaced",
	} {
		got := strings.Join(warningsOf(Goal{Values: map[string]string{"NAME": value}}), "; ")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: warning %q, want %q", value, got, want)
		}
		if len(value) > 4 && strings.Contains(got, value) {
			t.Errorf("the warning shows the value: %q", got)
		}
	}
	secret := Goal{Values: map[string]string{"NAME": "a\nb", "TEXT": "a\nb"}, Secrets: []string{"NAME"}}
	if got := warningsOf(secret); !slices.Equal(got, []string{"NAME has a line break in it"}) {
		t.Errorf("of a secret of two lines: %q", got)
	}
}
