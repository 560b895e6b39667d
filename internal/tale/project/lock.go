package project

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// lockFolder is where the locks of all users are. It is the same for each of them,
// unlike os.TempDir and /run, and everyone may write to it.
const lockFolder = "/tmp"

const (
	lockRetry = 200 * time.Millisecond
	lockSay   = 10 * time.Second
	maxHolder = 4 << 10 // bytes read of who holds a lock
)

// Holder is who holds a lock.
type Holder struct {
	User    string    `json:"user"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// Self returns this process, which runs a command.
func Self(command string) Holder {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // "" will do
	return Holder{User: name, Host: host, PID: os.Getpid(), Command: command, Since: time.Now().UTC().Truncate(time.Second)}
}

func (h Holder) String() string {
	if h == (Holder{}) {
		return "another process, which has not said who it is"
	}
	return fmt.Sprintf("%s on %s, process %d, with %q since %s (%s)", h.User, h.Host, h.PID, h.Command,
		h.Since.Format(time.RFC3339), time.Since(h.Since).Round(time.Second))
}

// Lock is the right to change a project's stack in an engine. The kernel takes it away
// from a process that ends, however it ends.
type Lock struct{ file *os.File }

// Acquire locks a project in an engine for all users of this host. It waits for as long
// as wait says; say hears at once, with each change and every 10 s who is waited for.
func Acquire(ctx context.Context, engineID, project string, self Holder, wait time.Duration, say func(Holder)) (*Lock, error) {
	return acquire(ctx, lockPath(lockFolder, engineID, project), self, wait, say)
}

// Held returns who holds the lock of a project, if it is held on this host. It does not
// take the lock, not even for a moment.
func Held(engineID, project string) (Holder, bool) {
	return heldAt(lockPath(lockFolder, engineID, project))
}

func heldAt(path string) (Holder, bool) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Holder{}, false
	}
	defer func() { _ = file.Close() }()
	held := readHolder(file)
	return held, held != (Holder{}) && !isFree(file)
}

// isFree reports whether the kernel tells what is locked, and this is not: who was killed
// could not take its name away, and another process may have its number by now.
func isFree(file *os.File) bool {
	list, err := os.ReadFile("/proc/locks")
	info, wrong := file.Stat()
	if err != nil || wrong != nil {
		return false
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && !bytes.Contains(list, fmt.Appendf(nil, ":%d ", status.Ino))
}

var notInFileName = regexp.MustCompile(`[^A-Za-z0-9]+`)

func lockPath(folder, engineID, project string) string {
	return filepath.Join(folder, "tale-"+notInFileName.ReplaceAllString(engineID, "-")+"-"+project+".lock")
}

func acquire(ctx context.Context, path string, self Holder, wait time.Duration, say func(Holder)) (*Lock, error) {
	deadline := time.Now().Add(wait)
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	var said time.Time
	var last Holder
	for {
		file, held, err := tryLock(path)
		if err != nil {
			return nil, exit.Errorf(exit.NoPermission, "cannot lock the project: %w", err)
		}
		if file != nil {
			l := &Lock{file}
			l.write(self)
			return l, nil
		}
		if !time.Now().Before(deadline) {
			return nil, exit.Errorf(exit.Temporary, "the project is locked by %s; wait for its end with --wait", held)
		}
		if held != last || time.Since(said) >= lockSay {
			say(held)
			last, said = held, time.Now()
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot lock the project, which is locked by %s: %w", held, context.Cause(ctx))
		}
	}
}

// tryLock returns the locked file, or who holds it.
func tryLock(path string) (*os.File, Holder, error) {
	for {
		file, err := openLock(path)
		if err != nil {
			return nil, Holder{}, err
		}
		switch err := flock(file); {
		case errors.Is(err, unix.EWOULDBLOCK):
			held := readHolder(file)
			return nil, held, file.Close()
		case err != nil:
			return nil, Holder{}, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
		}
		// Cleaners of /tmp take old files away. A lock on what has no name any more
		// keeps nobody out.
		opened, err := file.Stat()
		if named, nameErr := os.Lstat(path); err == nil && nameErr == nil && os.SameFile(opened, named) {
			return file, Holder{}, nil
		}
		_ = file.Close()
	}
}

func flock(file *os.File) error {
	for {
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// openLock opens the file, which every user may write to, or makes it. It has its mode
// before it has its name. O_CREAT would not do for what is there: with
// fs.protected_regular even root may not open another user's file with it where everyone
// may write.
func openLock(path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err == nil {
			if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
				_ = file.Close()
				return nil, fmt.Errorf("%s is no regular file: remove it", path)
			}
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: remove the file if no tale runs", err)
		}
		if err := createFile(path, nil, 0o666); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// write says who holds the lock, as far as the disk has room for it.
func (l *Lock) write(self Holder) {
	text, err := json.Marshal(self)
	if err == nil && l.file.Truncate(0) == nil {
		_, _ = l.file.WriteAt(text, 0)
	}
}

// readHolder returns who holds a lock, nobody if what the file says cannot be true.
func readHolder(file *os.File) Holder {
	text, err := io.ReadAll(io.LimitReader(file, maxHolder))
	var h Holder
	if err != nil || json.NewDecoder(bytes.NewReader(text)).Decode(&h) != nil || h.PID <= 0 {
		return Holder{}
	}
	host, err := os.Hostname()
	if err == nil && h.Host == host && errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH) {
		return Holder{}
	}
	h.User, h.Host, h.Command = printable(h.User), printable(h.Host), printable(h.Command)
	return h
}

// printable returns what a terminal may be given of a text that any user may have
// written.
func printable(text string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text), "?")
}

// Release gives the lock back. To close the file would not do: a child that is being started has
// it open as well, until it becomes another program.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}
