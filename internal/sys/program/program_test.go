package program

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	elf := func(machine byte) string {
		return "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x02\x00" + string([]byte{machine, 0}) + "…"
	}
	other, its := byte(183), "arm64"
	if runtime.GOARCH == its {
		other, its = 62, "amd64"
	}
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		why     string
	}{
		"plain":       {"#!/bin/sh\n", 0o644, "has no permission to be executed (mode 0644)"},
		"other":       {elf(other), 0o755, "is a program for " + its + ", and this container runs on " + runtime.GOARCH},
		"script":      {"exec true\n", 0o755, "begins neither with #! nor as a program does"},
		"empty":       {"", 0o755, "begins neither with #! nor as a program does"},
		"good":        {"#!/bin/sh\n", 0o755, ""},
		"no machine":  {elf(250), 0o755, ""},
		"half a head": {"\x7fELF", 0o755, "begins neither"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
			t.Fatal(err)
		}
		why, fix := Refused(path)
		if !strings.HasPrefix(why, tt.why) || (why == "") != (tt.why == "") || (fix == "") != (why == "") {
			t.Errorf("%s: %s; %s", name, why, fix)
		}
	}
	if why, _ := Refused(dir); why != "is a folder" {
		t.Errorf("a folder: %s", why)
	}
	if why, _ := Refused(filepath.Join(dir, "missing")); why != "" {
		t.Errorf("nothing: %s", why)
	}
	if why, _ := Refused("/proc/version"); why == "" {
		t.Error("a file of the kernel could be executed")
	}
}

// Whatever is mounted here, the kernel tells it in two ways.
func TestOnNoexec(t *testing.T) {
	seen := map[string]bool{} // what is mounted last hides what is below
	for line := range strings.Lines(testkit.ReadFile(t, "/proc/self/mounts")) {
		fields := strings.Fields(line)
		seen[fields[1]] = slices.Contains(strings.Split(fields[3], ","), "noexec")
	}
	for path, want := range seen {
		if _, err := os.Stat(path); err == nil && onNoexec(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
