package program

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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
	i386 := "" // amd64 runs it
	if runtime.GOARCH != "amd64" {
		i386 = "is a program for 386, and this container runs on " + runtime.GOARCH
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
		"386":         {elf(3), 0o755, i386},
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

// What this user may not execute is nothing to look into, whatever others may.
func TestRefusedToThisUser(t *testing.T) {
	const nobody = 65534
	path := filepath.Join(testkit.PublicDir(t), "script")
	if err := errors.Join(os.WriteFile(path, []byte("exec true\n"), 0o655), os.Chmod(path, 0o655)); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	answer := make(chan string)
	go func() {
		runtime.LockOSThread() // which ends with this goroutine, and with it the other user
		if root {
			_, _, _ = unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody)
		}
		why, _ := Refused(path)
		answer <- why
	}()
	if why := <-answer; !strings.HasPrefix(why, "may not be executed by this user (mode 0655, of uid ") {
		t.Errorf("the owner without the right: %s", why)
	}
}

// What this test runs from can be executed, and mounts says of /proc what holds.
func TestOnNoexec(t *testing.T) {
	if onNoexec(os.Args[0]) {
		t.Error("this test cannot run")
	}
	want := false
	for line := range strings.Lines(testkit.ReadFile(t, "/proc/self/mounts")) {
		if fields := strings.Fields(line); fields[1] == "/proc" { // the last one hides others
			want = slices.Contains(strings.Split(fields[3], ","), "noexec")
		}
	}
	if onNoexec("/proc") != want {
		t.Errorf("/proc: %v", !want)
	}
}
