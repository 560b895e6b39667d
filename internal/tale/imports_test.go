package tale_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What belongs to the processes of the containers has no place on an operator's
// machine, and does not compile for all of them. Nor have their metrics, which take 0.4 MB
// of a program that nobody scrapes.
func TestNoProcessCodeIsLinked(t *testing.T) {
	const module = "github.com/tale-project/tale-runtime/internal/"
	foreign := []string{"supervise", "entrypoint", "proxy", "platform", "convex", "convexsim", "demo", "push", "sys/procfs"}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/tale-project/tale-runtime/cmd/tale")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, module+"tale") {
		t.Fatalf("the list lacks package tale: %s", out)
	}
	for _, name := range packages {
		if strings.HasPrefix(name, "github.com/prometheus/") {
			t.Errorf("tale links %s", name)
		}
		name, ours := strings.CutPrefix(name, module)
		for _, forbidden := range foreign {
			if ours && (name == forbidden || strings.HasPrefix(name, forbidden+"/")) {
				t.Errorf("tale links %s", name)
			}
		}
	}
}
