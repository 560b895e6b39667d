package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// nobody is a user that is not root, in every Linux.
const nobody = 65534

// holdLock locks what its environment names until it is killed, as a program.
func holdLock() int {
	l, err := acquire(context.Background(), os.Getenv("LOCK"), Self("hold"), 30*time.Second, func(h Holder) { fmt.Println("waits for", h) })
	if err != nil {
		fmt.Println(err)
		return exit.Code(err)
	}
	fmt.Println("locked")
	_, _ = os.Stdin.Read(make([]byte, 1))
	fmt.Println("released", l.Release())
	return 0
}

// hold starts a process that locks a file, as a user.
func hold(t *testing.T, path string, uid uint32) *testkit.Process {
	t.Helper()
	self := filepath.Join(testkit.PublicDir(t), "hold")
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, program, 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self)
	command.Dir = "/"
	command.Env = append(os.Environ(), testkit.RoleVariable+"=lock", "LOCK="+path)
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return testkit.Start(t, command)
}

// stickyFolder returns a folder as /tmp is one.
func stickyFolder(t *testing.T) string {
	t.Helper()
	dir := testkit.PublicDir(t)
	if err := os.Chmod(dir, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func take(t *testing.T, path string, wait time.Duration) (*Lock, error) {
	t.Helper()
	return acquire(t.Context(), path, Self("tale test"), wait, func(Holder) {})
}

func TestLockDiesWithItsHolder(t *testing.T) {
	for _, user := range []uint32{0, nobody} {
		path := filepath.Join(stickyFolder(t), "x.lock")
		holder := hold(t, path, user)
		holder.Expect("locked")
		_, err := take(t, path, 0)
		if exit.Code(err) != exit.Temporary || !strings.Contains(err.Error(), fmt.Sprintf("process %d, with \"hold\"", holder.Pid())) || !strings.Contains(err.Error(), "--wait") {
			t.Fatalf("held by another process: %v", err)
		}
		killed := make(chan time.Time, 1)
		l, err := acquire(t.Context(), path, Self("tale test"), time.Minute, func(h Holder) {
			if h.PID == holder.Pid() {
				holder.Signal(syscall.SIGKILL)
				killed <- time.Now()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(<-killed); took > 2*time.Second {
			t.Errorf("free %s after the holder was killed", took)
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
		again, err := take(t, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = again.Release()
	}
}

// With fs.protected_regular, which most systems set, root may not open another user's
// file in such a folder with O_CREAT.
func TestLockOfTwoUsers(t *testing.T) {
	testkit.RequireRoot(t)
	const setting = "/proc/sys/fs/protected_regular"
	if before, err := os.ReadFile(setting); err == nil && os.WriteFile(setting, []byte("2"), 0) == nil {
		t.Cleanup(func() { _ = os.WriteFile(setting, before, 0) })
	}
	for _, users := range [][2]uint32{{0, nobody}, {nobody, 0}} {
		path := filepath.Join(stickyFolder(t), "x.lock")
		first := hold(t, path, users[0])
		first.Expect("locked")
		second := hold(t, path, users[1])
		second.Expect(fmt.Sprintf("process %d, with", first.Pid()))
		first.Signal(syscall.SIGKILL)
		second.Expect("locked")
	}
}

func TestOneOfManyHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
				l, err := acquire(t.Context(), path, Self("x"), time.Minute, func(Holder) {})
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				inside.Add(-1)
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWhatIsInTheLockFileDoesNotMatter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	for _, text := range []string{"", "garbage", "{", `{"pid":1}`, `{"pid":-1}`, strings.Repeat("x", 1<<20), `{"user":"\u001b[31m","host":"h","pid":2147483000}`} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		l, err := take(t, path, 0)
		if err != nil {
			t.Fatalf("%.20q blocks: %v", text, err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := take(t, path, 0); exit.Code(err) != exit.Temporary || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%.20q: %q", text, err)
		}
		_ = l.Release()
	}
}

// What a killed holder has left names nobody while the next one has not said who it is.
func TestDeadHolderIsNotNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	l, err := take(t, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	dead := Self("deploy")
	dead.PID = 1 << 30
	l.write(dead)
	if _, err := take(t, path, 0); !strings.Contains(err.Error(), "another process") {
		t.Error(err)
	}
	_ = l.Release()
}

func TestLockFileThatIsTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	file, _, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := take(t, path, 0)
	if err != nil {
		t.Fatalf("a cleaner has removed the file: %v", err)
	}
	if _, err := take(t, path, 0); exit.Code(err) != exit.Temporary {
		t.Errorf("a second one: %v", err)
	}
	_ = l.Release()
}

func TestLockIsNoWayToOtherFiles(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.lock")
	if err := os.Symlink(precious, path); err != nil {
		t.Fatal(err)
	}
	if _, err := take(t, path, 0); err == nil {
		t.Error("a link was followed")
	}
	_ = os.Remove(path)
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := take(t, path, 0); err == nil {
		t.Error("a pipe was taken")
	}
	if text, _ := os.ReadFile(precious); string(text) != "data" {
		t.Errorf("%q", text)
	}
}

// TestAReleasedLockIsFree also while a child that is being started has the file open.
func TestAReleasedLockIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	take := func() *Lock {
		t.Helper()
		l, err := acquire(t.Context(), path, Self("test"), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := take()
	child, err := unix.Dup(int(l.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(child) }()
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	if err := take().Release(); err != nil {
		t.Error(err)
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	l, err := take(t, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Release() }()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := acquire(ctx, path, Self("x"), time.Hour, func(Holder) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLockPath(t *testing.T) {
	if got := lockPath("/tmp", "5CLY:EAAG:../x", "shop-1a2b3c"); got != "/tmp/tale-5CLY-EAAG-x-shop-1a2b3c.lock" {
		t.Error(got)
	}
}
