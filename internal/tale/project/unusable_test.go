package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A secret that has got lost is not to be replaced, and a file of another encoding is one
// problem, not one for each line.
func TestWhatIsSaidOfAnUnusableEnv(t *testing.T) {
	for name, tt := range map[string]struct{ content, says string }{
		"a lost secret": {"SITE_URL=https://shop.test\n", "INSTANCE_SECRET is not set; accepted: of a project that has been deployed, the value that it had"},
		"UTF-16":        {"\xff\xfeA\x00=\x001\x00\n\x00B\x00=\x002\x00\n\x00", ".env is UTF-16; accepted: UTF-8"},
	} {
		p := &Project{Dir: t.TempDir()}
		if err := os.WriteFile(p.envPath(), []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := p.Settings(config.Environ{})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatIsNoFile is neither waited for nor taken for one that is not there.
func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(unix.Mkfifo(path("pipe"), 0o600), os.Symlink("pipe", path("link")), os.Symlink("absent", path("lost")), os.Symlink("/dev/null", path("empty"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pipe": "it is a pipe or a socket", "link": "it is a pipe or a socket", "lost": "it is a link to absent, which is not there"} {
		_, err := ReadFile(path(name))
		testkit.WantError(t, err, exit.Config, want)
	}
	if text, err := ReadFile(path("empty")); err != nil || len(text) > 0 {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := ReadFile(path("absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
