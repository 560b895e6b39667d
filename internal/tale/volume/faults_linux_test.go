package volume_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
	"github.com/tale-project/tale-runtime/internal/tale/volume/volumetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// small returns a source of some files, and an empty target.
func small(t *testing.T) (from, to string) {
	t.Helper()
	testkit.RequireRoot(t)
	dir := t.TempDir()
	from, to = filepath.Join(dir, "from"), filepath.Join(dir, "to")
	files := map[string]string{}
	for n := range 60 {
		files[fmt.Sprintf("folder%d/file%d", n%5, n)] = strings.Repeat(fmt.Sprint(n), n*100)
	}
	testkit.WriteTree(t, from, files)
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	return from, to
}

// unfinished leaves the copy that a kill leaves after its last batch: all is there, and
// then the source's root is found to have changed.
func unfinished(t *testing.T, from, to string) {
	t.Helper()
	stop := churn(t, func(n int) error { return os.Chmod(from, os.FileMode(0o700+n%2)) })
	_, err := oldToNew.InBatchesOf(5).Into(t.Context(), from, to)
	stop()
	testkit.WantError(t, err, exit.Temporary, "the source changes")
	if state := must[volume.State](t)(volume.LookInto(t.Context(), to, "new")); state.Mark == nil || !state.Mark.Finished.IsZero() || state.Files != 60 {
		t.Fatalf("%+v %+v", state, state.Mark)
	}
}

// churn does something again and again, from before it returns until it is stopped.
func churn(t *testing.T, do func(n int) error) (stop func()) {
	ended, asked := make(chan struct{}), make(chan struct{})
	if err := do(0); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		for n := 1; ; n++ {
			select {
			case <-asked:
				return
			case <-time.After(100 * time.Microsecond):
			}
			if err := do(n); err != nil {
				t.Error(err)
			}
		}
	}()
	return func() {
		close(asked)
		<-ended
	}
}

func TestASourceThatChangesIsSeen(t *testing.T) {
	for name, change := range map[string]func(file string, n int) error{
		"written": func(file string, n int) error { return os.WriteFile(file, []byte(fmt.Sprint(n)), 0o600) },
		"mode":    func(file string, n int) error { return os.Chmod(file, os.FileMode(0o600+n%2)) },
		"owner":   func(file string, n int) error { return os.Chown(file, n%5, 0) },
		"replaced": func(file string, n int) error {
			return errors.Join(os.WriteFile(file+"x", nil, 0o600), os.Rename(file+"x", file))
		},
		"linked": func(file string, _ int) error { return errors.Join(os.Link(file, file+"x"), os.Remove(file+"x")) },
		"attribute": func(file string, n int) error {
			return unix.Setxattr(file, "user.n", []byte(fmt.Sprint(n)), 0)
		},
		"its folder": func(file string, n int) error { return os.Chmod(filepath.Dir(file), os.FileMode(0o700+n%2)) },
		"renamed": func(file string, _ int) error {
			return errors.Join(os.Rename(file, file+"x"), os.Rename(file+"x", file))
		},
		"its folder renamed": func(file string, _ int) error {
			folder := filepath.Dir(file)
			return errors.Join(os.Rename(folder, folder+"x"), os.Rename(folder+"x", folder))
		},
		"its kind": func(file string, n int) error {
			makers := []func(string) error{
				func(path string) error { return os.WriteFile(path, []byte("a file"), 0o600) },
				func(path string) error { return os.Symlink("away", path) },
				func(path string) error { return os.Mkdir(path, 0o700) },
				func(path string) error { return unix.Mkfifo(path, 0o600) },
			}
			return errors.Join(os.RemoveAll(file), makers[n%len(makers)](file))
		},
		"an attribute that comes and goes": func(file string, _ int) error {
			return errors.Join(unix.Setxattr(file, "user.n", nil, 0), unix.Removexattr(file, "user.n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := small(t)
			file := filepath.Join(from, "folder3", "file3")
			stop := churn(t, func(n int) error { return change(file, n) })
			_, err := oldToNew.InBatchesOf(5).Into(t.Context(), from, to)
			stop()
			if !strings.HasPrefix(name, "its ") && err != nil && !strings.Contains(err.Error(), "folder3") {
				t.Errorf("it does not say what has changed: %v", err)
			}
			testkit.WantError(t, err, exit.Temporary, "docker ps", "the same command again")
			copyOf(t, oldToNew, from, to)
			volumetest.Check(t, volumetest.Read(t, from), to, -1)
		})
	}
}

// A site that is started again on the old volume after a failed copy changes a lot.
func TestAnUnfinishedCopyFollowsItsSource(t *testing.T) {
	from, to := small(t)
	unfinished(t, from, to)
	in := func(name ...string) string { return filepath.Join(append([]string{from}, name...)...) }
	err := errors.Join(
		os.RemoveAll(in("folder1")), os.WriteFile(in("folder1"), []byte("a file now"), 0o600),
		os.Remove(in("folder2", "file2")), os.Mkdir(in("folder2", "file2"), 0o700), os.WriteFile(in("folder2", "file2", "x"), nil, 0o600),
		os.Rename(in("folder3"), in("another")), os.WriteFile(in("folder4", "file4"), []byte("new"), 0o600),
		os.Link(in("folder4", "file9"), in("link")), os.Chmod(in("folder0", "file5"), 0o4711),
		os.Remove(in("folder0", "file0")), os.Symlink("x", in("folder0", "file0")),
	)
	if err != nil {
		t.Fatal(err)
	}
	report := copyOf(t, oldToNew, from, to)
	if !report.Resumed || report.Kept < 10 {
		t.Errorf("%+v", report)
	}
	volumetest.Check(t, volumetest.Read(t, from), to, -1)
}

// What something else has written into an unfinished copy is not ours to remove.
func TestForeignFilesInAnUnfinishedCopyAreKept(t *testing.T) {
	for name, write := range map[string]func(to string) (path string, err error){
		"new": func(to string) (string, error) {
			path := filepath.Join(to, "folder2", "mine")
			return path, os.WriteFile(path, []byte("mine"), 0o600)
		},
		"over ours": func(to string) (string, error) {
			path := filepath.Join(to, "folder2", "file2")
			return path, os.WriteFile(path, []byte("mine"), 0o600)
		},
		"in a folder of its own": func(to string) (string, error) {
			path := filepath.Join(to, "service", "mine")
			return path, errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("mine"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := small(t)
			unfinished(t, from, to)
			path, err := write(to)
			if err != nil {
				t.Fatal(err)
			}
			_, err = oldToNew.Into(t.Context(), from, to)
			testkit.WantError(t, err, exit.Config, "is not written into", "written by something else", "docker volume rm new")
			if got := testkit.ReadFile(t, path); got != "mine" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestAFinishedCopyWhoseSourceWentOn(t *testing.T) {
	from, to := small(t)
	copyOf(t, oldToNew, from, to)
	file := filepath.Join(from, "folder1", "file1")
	if err := os.WriteFile(file, []byte("later"), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := copyOf(t, oldToNew, from, to); !report.Again || report.Already || report.Resumed {
		t.Errorf("%+v", report)
	}
	volumetest.Check(t, volumetest.Read(t, from), to, -1)
	used := filepath.Join(to, "folder2", "used")
	if err := os.WriteFile(used, []byte("by a service"), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := copyOf(t, oldToNew, from, to); !report.Already {
		t.Errorf("%+v", report)
	}
	if err := os.WriteFile(file, []byte("later still"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := oldToNew.Into(t.Context(), from, to)
	testkit.WantError(t, err, exit.Config, "both have been used since")
	if got := testkit.ReadFile(t, used); got != "by a service" {
		t.Errorf("%q", got)
	}
}

// mounted mounts a file system in memory for a test.
func mounted(t *testing.T, kind, options string) string {
	t.Helper()
	folder := t.TempDir()
	if err := unix.Mount("none", folder, kind, 0, options); err != nil {
		t.Fatalf("cannot mount a %s: %v", kind, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
	return folder
}

func TestNoRoom(t *testing.T) {
	from, _ := small(t)
	testkit.WriteTree(t, from, map[string]string{"large": strings.Repeat("x", 8<<20)})
	to := mounted(t, "tmpfs", "size=8m")
	_, err := oldToNew.Into(t.Context(), from, to)
	testkit.WantError(t, err, exit.Unavailable, "8.4 MB free", "make room")
	if strings.Contains(err.Error(), "docker volume rm") {
		t.Errorf("nothing in it makes room: %v", err)
	}
	if entries := must[[]os.DirEntry](t)(os.ReadDir(to)); len(entries) != 1 { // the journal
		t.Errorf("%v", entries)
	}
	few := mounted(t, "tmpfs", "nr_inodes=30")
	_, err = oldToNew.Into(t.Context(), from, few)
	testkit.WantError(t, err, exit.Unavailable, "61 files")
}

// TestNoRoomBesideAnOldCopy: what has changed since an unfinished copy takes room twice, which
// only the copy's end can give back.
func TestNoRoomBesideAnOldCopy(t *testing.T) {
	from, _ := small(t)
	to, name := mounted(t, "tmpfs", "size=12m"), "folder0/file0"
	testkit.WriteTree(t, from, map[string]string{name: strings.Repeat("x", 8<<20)})
	unfinished(t, from, to)
	testkit.WriteTree(t, from, map[string]string{name: strings.Repeat("y", 8<<20)})
	_, err := oldToNew.Into(t.Context(), from, to)
	testkit.WantError(t, err, exit.Unavailable, "make room", "`docker volume rm new`", "its source has changed since")
}

// A file most of whose names are outside of the source takes more than was thought, so
// that the disk is full in the middle.
func TestADiskThatIsFullInTheMiddle(t *testing.T) {
	from, _ := small(t)
	large, outside := filepath.Join(from, "zz", "large"), t.TempDir()
	testkit.WriteTree(t, from, map[string]string{"zz/large": strings.Repeat("x", 8<<20)})
	for n := range 20 {
		if err := os.Link(large, filepath.Join(outside, fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	to := mounted(t, "tmpfs", "size=4m")
	for range 2 {
		_, err := oldToNew.InBatchesOf(5).Into(t.Context(), from, to)
		testkit.WantError(t, err, exit.Unavailable, "cannot copy the volume old into new, of ", "zz/large", "is full", "goes on where it was")
	}
	if err := unix.Mount("none", to, "tmpfs", unix.MS_REMOUNT, "size=40m"); err != nil {
		t.Fatal(err)
	}
	if report := copyOf(t, oldToNew, from, to); !report.Resumed {
		t.Errorf("%+v", report)
	}
	volumetest.Check(t, volumetest.Read(t, from), to, -1)
}

// Some file systems have no extended attributes: the mark is a file there.
func TestMarkWithoutAttributes(t *testing.T) {
	from, third := small(t)
	to := mounted(t, "ramfs", "")
	if err := unix.Setxattr(to, "user.x", nil, 0); !errors.Is(err, unix.ENOTSUP) {
		t.Fatalf("this file system has attributes: %v", err)
	}
	unfinished(t, from, to)
	if report := copyOf(t, oldToNew, from, to); !report.Resumed {
		t.Errorf("%+v", report)
	}
	if report := copyOf(t, oldToNew, from, to); !report.Already {
		t.Errorf("%+v", report)
	}
	copyOf(t, volume.Copy{From: "new", To: "third", Owner: volume.Keep}, to, third)
	volumetest.Check(t, volumetest.Read(t, from), third, -1)
	copied := volumetest.Read(t, to)
	delete(copied, ".tale-copy")
	for _, difference := range volumetest.Read(t, from).Differences(copied, -1) {
		t.Error(difference)
	}
}

// A power failure leaves a journal with anything behind what was brought onto the disk.
func TestJournalWithATornEnd(t *testing.T) {
	for name, tail := range map[string]string{"zeros": strings.Repeat("\x00", 1000), "a part": "1234567", "noise": strings.Repeat("noise", 50)} {
		t.Run(name, func(t *testing.T) {
			from, to := small(t)
			unfinished(t, from, to)
			journals := must[[]string](t)(filepath.Glob(filepath.Join(to, ".tale-copy-*")))
			if len(journals) != 1 {
				t.Fatal(journals)
			}
			journal := must[*os.File](t)(os.OpenFile(journals[0], os.O_WRONLY|os.O_APPEND, 0))
			if _, err := journal.WriteString(tail); err != nil {
				t.Fatal(err)
			}
			_ = journal.Close()
			if report := copyOf(t, oldToNew, from, to); report.Kept != 60 {
				t.Errorf("%+v", report)
			}
			volumetest.Check(t, volumetest.Read(t, from), to, -1)
		})
	}
}

func TestTwoAtOnce(t *testing.T) {
	from, to := small(t)
	held := must[*os.File](t)(os.Open(to))
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	_, err := oldToNew.Into(t.Context(), from, to)
	testkit.WantError(t, err, exit.Temporary, "another tale")
}

func TestNoRights(t *testing.T) {
	from, to := small(t)
	if err := errors.Join(os.Chmod(filepath.Dir(filepath.Dir(from)), 0o755), os.Chmod(filepath.Dir(from), 0o755), os.Chown(to, 65534, 65534), os.Chmod(filepath.Join(from, "folder1"), 0o755)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(from, func(path string, _ os.DirEntry, _ error) error { return os.Chmod(path, 0o755) })
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(testkit.PublicDir(t), "test")
	if out, err := exec.Command("cp", os.Args[0], binary).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	command := exec.Command(binary, from, to)
	command.Env = append(os.Environ(), testkit.RoleVariable+"=copier")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != exit.NoPermission || !strings.Contains(string(out), "owner 0:0") {
		t.Errorf("exit code %d: %s", code, out)
	}
	copyOf(t, oldToNew, from, to)
	volumetest.Check(t, volumetest.Read(t, from), to, -1)
}

// A volume has more hard links than a process may have descriptors.
func TestNoDescriptorStaysOpen(t *testing.T) {
	from, _, _ := pair(t, 20)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close what is forgotten
	var open [2]int
	for n := range open {
		copyOf(t, oldToNew, from, t.TempDir())
		open[n] = len(must[[]os.DirEntry](t)(os.ReadDir("/proc/self/fd")))
	}
	if open[0] != open[1] {
		t.Errorf("a second copy makes %d descriptors of %d", open[1], open[0])
	}
}

func TestAnUnfinishedCopyIsNoSource(t *testing.T) {
	from, to := small(t)
	unfinished(t, from, to)
	third := t.TempDir()
	_, err := volume.Copy{From: "new", To: "third", Owner: volume.Keep}.Into(t.Context(), to, third)
	testkit.WantError(t, err, exit.Config, "an unfinished copy, of old")
}

func TestACancelledCopyEnds(t *testing.T) {
	from, to := small(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("asked to stop")
	cancel(why)
	if _, err := oldToNew.Into(ctx, from, to); !errors.Is(err, why) {
		t.Error(err)
	}
}

// meddle does something to an entry of the copy, as soon as it is there and until the end.
func meddle(t *testing.T, find func() string, do func(path string, n int) error) (stop func()) {
	return churn(t, func(n int) error {
		if path := find(); path != "" {
			if err := do(path, n); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

func TestACopyThatIsMeddledWithIsNotFinished(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(path string, n int) error
		code int
		says string
	}{
		"mode":      {func(path string, n int) error { return os.Chmod(path, os.FileMode(0o601+n%2)) }, exit.Failure, "the copy is (mode 10060"},
		"attribute": {func(path string, _ int) error { return unix.Setxattr(path, "user.x", []byte("y"), 0) }, exit.Failure, `attributes map["user.x":"y"]`},
		"content":   {func(path string, n int) error { return os.WriteFile(path, []byte(fmt.Sprint("x", n)), 0o600) }, exit.Failure, "the copy is (mode"},
		"surplus": {func(path string, _ int) error {
			return os.WriteFile(filepath.Join(filepath.Dir(path), "mine"), nil, 0o600)
		}, exit.Config, "folder0/mine has been written by something else"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := small(t)
			path := filepath.Join(to, "folder0", "file0")
			testkit.WriteTree(t, from, map[string]string{"zz": strings.Repeat("time", 4<<20)})
			there := func() string {
				if _, err := os.Lstat(path); err != nil {
					return ""
				}
				return path
			}
			stop := meddle(t, there, test.do)
			_, err := oldToNew.InBatchesOf(1).Into(t.Context(), from, to)
			stop()
			testkit.WantError(t, err, test.code, test.says)
			if state := must[volume.State](t)(volume.LookInto(t.Context(), to, "new")); !state.Mark.Finished.IsZero() {
				t.Error("it is finished")
			}
		})
	}
}

// What changes after it was copied is named, too.
func TestASourceThatChangesLaterIsSeen(t *testing.T) {
	from, to := small(t)
	testkit.WriteTree(t, from, map[string]string{"zz": strings.Repeat("time", 4<<20)})
	path := filepath.Join("folder0", "file0")
	copied := func() string {
		if _, err := os.Lstat(filepath.Join(to, path)); err != nil {
			return ""
		}
		return filepath.Join(from, path)
	}
	stop := meddle(t, copied, func(path string, n int) error { return os.Chmod(path, os.FileMode(0o601+n%2)) })
	_, err := oldToNew.InBatchesOf(1).Into(t.Context(), from, to)
	stop()
	testkit.WantError(t, err, exit.Temporary, path+" has been written", "the same command again")
}

// A disk that does not give back what was written to it is seen.
func TestWrongBytesAreSeen(t *testing.T) {
	from, to := small(t)
	testkit.WriteTree(t, from, map[string]string{"large": strings.Repeat("x", 64<<20)})
	staged := func() string {
		found, _ := filepath.Glob(filepath.Join(to, ".tale-copy-*.*"))
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.Size() > 1<<20 {
				return path
			}
		}
		return ""
	}
	stop := meddle(t, staged, func(path string, _ int) error {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = file.WriteAt([]byte("y"), 1000)
		return err
	})
	_, err := oldToNew.Into(t.Context(), from, to)
	stop()
	testkit.WantError(t, err, exit.Failure, "large", "not what was written to it")
	if _, err := os.Lstat(filepath.Join(to, "large")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has its name: %v", err)
	}
	copyOf(t, oldToNew, from, to)
	volumetest.Check(t, volumetest.Read(t, from), to, -1)
}

func TestHolesTakeNoTimeAndNoRoom(t *testing.T) {
	from, to := small(t)
	path := filepath.Join(from, "holes")
	file := must[*os.File](t)(os.Create(path))
	for _, at := range []int64{0, 5 << 30, 1<<40 - 4} {
		if _, err := file.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	_ = file.Close()
	report := copyOf(t, oldToNew, from, to)
	var s unix.Stat_t
	if err := unix.Stat(filepath.Join(to, "holes"), &s); err != nil || s.Size != 1<<40 || s.Blocks > 100 {
		t.Errorf("%d bytes in %d blocks, %v, %+v", s.Size, s.Blocks, err, report)
	}
	copied := must[*os.File](t)(os.Open(filepath.Join(to, "holes")))
	defer copied.Close()
	for _, at := range []int64{0, 5 << 30, 1<<40 - 4} {
		part := make([]byte, 4)
		if _, err := copied.ReadAt(part, at); err != nil || string(part) != "data" {
			t.Errorf("%q, %v", part, err)
		}
	}
}

// A volume is looked into while its services run: what comes and goes there is no error.
func TestALookIntoAVolumeThatIsWrittenTo(t *testing.T) {
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{"stays": "1"})
	stop := testkit.Churn(t, folder)
	for range 300 {
		state, err := volume.LookInto(t.Context(), folder, "v")
		if err != nil || state.Empty || state.Files < 1 {
			t.Errorf("%+v, %v", state, err)
			break
		}
	}
	stop()
}
