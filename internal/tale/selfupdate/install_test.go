package selfupdate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"aead.dev/minisign"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{"upgrade": upgradeAlone}))
}

// given is what a test hands to a process that upgrades.
type given struct{ URL, Program, Version, Key string }

// upgradeAlone upgrades in a process of its own.
func upgradeAlone() int {
	var g given
	var key minisign.PublicKey
	err := errors.Join(json.Unmarshal([]byte(os.Getenv("GIVEN")), &g), key.UnmarshalText([]byte(g.Key)))
	if err == nil {
		var plan *selfupdate.Plan
		plan, err = selfupdate.NewPlan(context.Background(), selfupdate.Options{
			Environ: map[string]string{"TALE_RELEASES_URL": g.URL}, Version: g.Version, Program: g.Program,
			Platform: machine, Keys: []minisign.PublicKey{key}, Progress: func(int64, int64) {},
		})
		if err == nil {
			_, err = plan.Carry(context.Background())
		}
	}
	if err != nil {
		fmt.Println(err)
	}
	return exit.Code(err)
}

// alone starts such a process.
func (s *server) alone(o selfupdate.Options) *testkit.Process {
	g, err := json.Marshal(given{s.URL, o.Program, o.Version, s.keys[1].String()})
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), testkit.RoleVariable+"=upgrade", "GIVEN="+string(g))
	return testkit.Start(s.t, command)
}

// Whenever an upgrade is killed there is a whole program, and the next one succeeds and
// clears away what was left.
func TestKilledAtAnyMoment(t *testing.T) {
	s := newServer(t, "1.2.0")
	whole := s.files[path("1.2.0", program)]
	o := s.options("1.0.0")
	began := time.Now()
	if code := s.alone(o).Wait(); code != 0 {
		t.Fatalf("exit %d", code)
	}
	took := time.Since(began)
	for range 15 {
		o := s.options("1.0.0")
		p := s.alone(o)
		select {
		case <-time.After(rand.N(took)):
		case <-p.Ended():
		}
		p.Signal(syscall.SIGKILL)
		p.Wait()
		s.healed(o)
	}
	// In the middle of the download there is a file that cannot be executed.
	arrived := make(chan struct{})
	s.respond(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, program) {
			begin(w, whole, len(whole)/2)
			close(arrived)
			<-r.Context().Done()
		}
		return strings.HasSuffix(r.URL.Path, program)
	})
	o = s.options("1.0.0")
	p := s.alone(o)
	<-arrived
	var left []string
	testkit.Eventually(t, "what has come is in a file", func() bool {
		left, _ = filepath.Glob(filepath.Join(filepath.Dir(o.Program), ".tale-upgrade-*"))
		return len(left) == 1
	})
	if info, err := os.Stat(left[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	p.Signal(syscall.SIGKILL)
	p.Wait()
	s.respond(nil)
	s.healed(o)
}

// healed checks that the program is whole, and upgrades once more.
func (s *server) healed(o selfupdate.Options) {
	s.t.Helper()
	if out, err := exec.Command(o.Program, "--version").Output(); err != nil || string(out) != "1.0.0\n" && string(out) != "1.2.0\n" {
		s.t.Errorf("after a kill: %q, %v", out, err)
	}
	o.Force = true
	_, err := upgrade(s.t, o)
	expect(s.t, err, 0, "")
	s.versionOf(o, "1.2.0")
}

func TestOneUpgradeAtATime(t *testing.T) {
	s := newServer(t, "1.2.0")
	o := s.options("1.0.0")
	plan, err := selfupdate.NewPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(filepath.Dir(o.Program))
	if err != nil || unix.Flock(int(folder.Fd()), unix.LOCK_EX) != nil {
		t.Fatal(err)
	}
	_, err = upgrade(t, o)
	expect(t, err, exit.Temporary, "another upgrade replaces")
	s.versionOf(o, "1.0.0")
	_ = folder.Close()
	_, err = upgrade(t, o)
	expect(t, err, 0, "")
	// The plan was made for the program that was there before.
	_, err = plan.Carry(t.Context())
	expect(t, err, exit.Temporary, "was replaced by another upgrade")
	if kept := testkit.ReadFile(t, o.Program+".old"); kept != string(s.program("1.0.0")) {
		t.Errorf("kept: %.40q", kept)
	}
}

// Links stay, and what they lead to is replaced.
func TestLinksAreFollowed(t *testing.T) {
	s := newServer(t, "1.2.0")
	o := s.options("1.0.0")
	target := o.Program
	o.Program = filepath.Join(t.TempDir(), "tale")
	if err := os.Symlink(target, o.Program); err != nil {
		t.Fatal(err)
	}
	plan, err := upgrade(t, o)
	expect(t, err, 0, "")
	link, err := os.Readlink(o.Program)
	if s.versionOf(o, "1.2.0"); err != nil || link != target || plan.Path != target {
		t.Errorf("%s, %v, %+v", link, err, plan)
	}
	if kept := testkit.ReadFile(t, target+".old"); kept != string(s.program("1.0.0")) {
		t.Errorf("kept: %.40q", kept)
	}
	// Twice the same: the kept name is that of the program which was there.
	o.Version, o.Force = "1.2.0", true
	_, err = upgrade(t, o)
	expect(t, err, 0, "")
	s.versionOf(o, "1.2.0")
}

// Where the present program cannot be kept it stays where it is.
func TestNothingIsReplacedThatCannotBeKept(t *testing.T) {
	s := newServer(t, "1.2.0")
	o := s.options("1.0.0")
	testkit.WriteTree(t, o.Program+".old", map[string]string{"file": ""})
	_, err := upgrade(t, o)
	expect(t, err, exit.Failure, "cannot keep the present")
	s.versionOf(o, "1.0.0")
}

func TestWhatMayNotBeReplaced(t *testing.T) {
	s := newServer(t, "1.2.0")
	o := s.options("1.0.0")
	o.Program = filepath.Join(t.TempDir(), "gone")
	_, err := upgrade(t, o)
	expect(t, err, exit.Temporary, "start it again")
	o = s.options("1.0.0")
	managed := filepath.Join(filepath.Dir(o.Program), "Cellar", "tale", "bin", "tale")
	testkit.WriteTree(t, filepath.Dir(o.Program), map[string]string{"Cellar/tale/bin/tale": string(s.program("1.0.0"))})
	o.Program = managed
	if err := os.Chmod(managed, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = upgrade(t, o)
	expect(t, err, exit.Config, "was installed by Homebrew")
	s.versionOf(o, "1.0.0")
	o.Force = true
	_, err = upgrade(t, o)
	expect(t, err, 0, "")
	o.Platform = selfupdate.Platform{OS: "plan9", Arch: "amd64"}
	_, err = upgrade(t, o)
	expect(t, err, exit.Failure, "there is none for plan9 on amd64")
}

// A program that is signed and does not run here, or is another version, does not take
// the place of one that does.
func TestProgramIsTried(t *testing.T) {
	s := newServer(t)
	for version, tt := range map[string]struct{ program, text string }{
		"1.1.0":  {"\x7fELF of another machine", "does not run on this machine"},
		"1.2.0":  {"#!/bin/sh\necho 1.2.0\nexit 1\n", "does not run on this machine: exit status 1"},
		"1.3.0":  {"#!/bin/sh\necho 1.3.01\n", `says that it is "1.3.01"`},
		"0.2.34": {"#!/bin/sh\necho tale 0.2.34\n", `says that it is "tale 0.2.34"`},
	} {
		s.programs = map[string]string{version: tt.program}
		s.publish(version)
		o := s.options("1.0.0")
		o.Want = version
		_, err := upgrade(t, o)
		expect(t, err, exit.DeployRefused, tt.text)
		s.versionOf(o, "1.0.0")
		if _, err := os.Stat(o.Program + ".old"); err == nil {
			t.Error("something was kept, though nothing was replaced")
		}
	}
}

// A full disk costs the upgrade, and nothing else.
func TestDiskFull(t *testing.T) {
	testkit.RequireRoot(t)
	s := newServer(t, "1.2.0")
	for size, code := range map[string]int{"100k": exit.Failure, "200k": 0} {
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
		o := s.options("1.0.0")
		o.Program = filepath.Join(dir, "tale")
		if err := os.WriteFile(o.Program, s.program("1.0.0"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := upgrade(t, o)
		expect(t, err, code, "no space left on device")
		s.versionOf(o, map[int]string{0: "1.2.0", exit.Failure: "1.0.0"}[code])
	}
}

// Root leaves a program its owner; where names cannot be added to it, a copy is kept.
func TestOwnerStays(t *testing.T) {
	testkit.RequireRoot(t)
	s := newServer(t, "1.2.0")
	o := s.options("1.0.0")
	if err := os.Chown(o.Program, 1234, 4321); err != nil {
		t.Fatal(err)
	}
	_, err := upgrade(t, o)
	expect(t, err, 0, "")
	for _, name := range []string{o.Program, o.Program + ".old"} {
		info, err := os.Stat(name)
		if stat := info.Sys().(*syscall.Stat_t); err != nil || stat.Uid != 1234 || stat.Gid != 4321 || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %+v", name, err, stat)
		}
	}
}
