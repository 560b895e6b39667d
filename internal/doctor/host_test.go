package doctor

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

func TestHostChecks(t *testing.T) {
	folder := t.TempDir()
	for name, tt := range map[string]struct {
		limit   string
		verdict Verdict
	}{"none": {"max", OK}, "little": {"268435456", Warn}, "enough": {"4294967296", OK}} {
		if err := os.WriteFile(filepath.Join(folder, "memory.max"), []byte(tt.limit+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		findings, _ := Examine(t.Context(), []Check{{Name: name, Run: func(context.Context) (string, error) { return checkMemory(cgroup.Memory{Root: folder}) }}})
		if findings[0].Verdict != tt.verdict {
			t.Errorf("%+v", findings[0])
		}
	}
	for free, want := range map[int64]Verdict{100 << 20: Fail, 1 << 30: Warn, 5 << 30: OK} {
		findings, _ := Examine(t.Context(), []Check{{Name: "disk", Run: func(context.Context) (string, error) { return judgeDisk(free) }}})
		if findings[0].Verdict != want {
			t.Errorf("%d bytes free: %+v", free, findings[0])
		}
	}
	if _, err := checkDisk(filepath.Join(folder, "none")); err == nil {
		t.Error("a folder that is not there has free space")
	}
}
