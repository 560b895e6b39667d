package convexcli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
)

func TestCheckComparesTheRuntimeWithWhatThePackageDemands(t *testing.T) {
	for name, c := range map[string]struct {
		answers string // of the runtime
		demands string
		wrong   string
	}{
		"older":                  {"echo 20.20.2", ">=22.0.0", "convex 1.49.0 needs Node.js 22; this is 20.20.2 "},
		"older by a little":      {"echo 22.11.9", ">=22.12.0", "convex 1.49.0 needs Node.js 22.12; this is 22.11.9 "},
		"the same":               {"echo 22.0.0", ">=22.0.0", ""},
		"newer":                  {"echo 26.3.0", ">=22.0.0", ""},
		"an older pre-release":   {"echo 21.0.0-nightly2023", ">=22.0.0", "convex 1.49.0 needs Node.js 22; this is 21.0.0-nightly2023 "},
		"it warns as well":       {"echo 20.1.0; echo deprecated >&2", ">=22.0.0", "convex 1.49.0 needs Node.js 22; this is 20.1.0 "},
		"it does not answer":     {"exit 1", ">=22.0.0", ""},
		"a package without":      {"echo 20.20.2", "", ""},
		"a demand with more":     {"echo 20.20.2", ">=18.0.0 <23", ""},
		"what no release can be": {"echo canary", ">=22.0.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := installCLI(t, "1.49.0")
			o.install(t, "node")
			runtime := filepath.Join(o.AppDir, "path", "node")
			if err := os.WriteFile(runtime, []byte("#!/bin/sh\n[ \"$*\" = \"-p process.versions.node\" ] || exit 9\n"+c.answers+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			o.Environ = append(o.Environ, "PATH="+os.Getenv("PATH"))
			cli := cli{options: o, runtime: runtime, node: c.demands, Label: "1.49.0"}
			err := cli.Check(t.Context())
			switch {
			case c.wrong == "" && err != nil:
				t.Error(err)
			case c.wrong != "" && (exit.Code(err) != exit.NotExecutable || err.Error() != c.wrong+"("+runtime+")"):
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAProgramIsNotAskedForARelease(t *testing.T) {
	o := installCLI(t, "1.49.0")
	o.install(t, "convex")
	o.Command = []string{"convex"}
	cli, err := Find(o)
	if err != nil || cli.runtime != "" || cli.Check(t.Context()) != nil {
		t.Errorf("%+v, %v", cli, err)
	}
}
