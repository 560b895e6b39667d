package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What a file is written over has to be a file.
func TestCheckNewFile(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	testkit.WriteTree(t, dir, map[string]string{"there": ""})
	for name, target := range map[string]string{"link": "there", "astray": "nowhere"} {
		if err := os.Symlink(target, in(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(in("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		in("new"): "", in("there"): "", in("link"): "", "./-": "",
		dir: "is a folder", in("pipe"): "is no regular file", os.DevNull: "is no regular file", in("astray"): "leads nowhere", "-": "./-",
	} {
		if err := cli.CheckNewFile(path); says != "" {
			testkit.WantError(t, err, exit.Usage, says)
		} else if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
