package writable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// A limit, a file in the way and a disk are not taken for each other.
func TestWhatKeepsAFolderFromBeingWrittenTo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	circle := filepath.Join(t.TempDir(), "circle")
	if err := os.Symlink(circle, circle); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		err   error
		code  int
		cause string
		fix   string
	}{
		"open files":      {report.Explain("", explain("/x", syscall.EMFILE)).Err(nil), exit.Unavailable, "limit of open files", place.Here().FileLimit()},
		"size of files":   {report.Explain("", explain("/x", syscall.EFBIG)).Err(nil), exit.NoPermission, "limit on the size of files", "ulimit -f"},
		"full":            {report.Explain("", explain("/x", syscall.EDQUOT)).Err(nil), exit.Unavailable, "is used up", "df -h"},
		"a file":          {Check(file), exit.NoPermission, "is a file or a link in a circle", "correct the setting that names " + file},
		"below a file":    {Check(file + "/below"), exit.NoPermission, "is a file or a link in a circle", "correct the setting"},
		"a circle":        {Check(circle + "/below"), exit.NoPermission, "is a file or a link in a circle", "correct the setting"},
		"something else":  {report.Explain("", explain("/x", syscall.EIO)).Err(nil), exit.NoPermission, "its file system is broken", "correct the setting"},
		"another's":       {report.Explain("", explain("/", os.ErrPermission)).Err(nil), exit.NoPermission, "belongs to another user", "chown -R"},
		"below another's": {report.Explain("", explain("/nowhere/x", os.ErrPermission)).Err(nil), exit.NoPermission, "belongs to another user", "chmod a+x /)"},
	} {
		t.Run(name, func(t *testing.T) {
			failure := report.Explain("", tt.err)
			if failure.ExitCode != tt.code || !strings.Contains(failure.Cause, tt.cause) || !strings.Contains(strings.Join(failure.Fix, "; "), tt.fix) {
				t.Errorf("%+v", failure)
			}
		})
	}
}

func explain(folder string, err error) error {
	return unwritable(folder, errors.Join(err)).Err(err)
}
