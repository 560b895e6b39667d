package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

const (
	engineDir = prefix + "-engine" // in the folder for temporary files
	engineUp  = 90 * time.Second
	// longestGone is how long the engine is away at most.
	longestGone = 3 * time.Second
)

// ownEngine is a Docker engine that may be killed: with data of its own, and with
// namespaces of mounts and of the network, which a process holds while it is gone.
type ownEngine struct {
	dir     string
	small   bool // its disk
	holder  int
	process *os.Process
	ended   <-chan struct{}
}

// hostKey is of the address of the engine that docker is for.
type hostKey struct{}

func (e *ownEngine) data() string { return filepath.Join(e.dir, "data") }
func (e *ownEngine) host() string { return "unix://" + filepath.Join(e.dir, "docker.sock") }

// newEngine starts an engine and gives it images of the other one. The context that it
// returns is for what is asked of it.
func newEngine(ctx context.Context, small bool) (*ownEngine, context.Context, error) {
	e := &ownEngine{dir: filepath.Join(os.TempDir(), engineDir), small: small}
	if err := errors.Join(e.remove(), os.MkdirAll(e.dir, 0o700)); err != nil {
		return nil, ctx, err
	}
	if small {
		if err := e.mountSmall(); err != nil {
			return nil, ctx, err
		}
	}
	const hold = "mount -t tmpfs none /run && ip link set lo up && echo $$ >$0/holder && exec sleep infinity"
	holder := exec.Command("unshare", "--mount", "--net", "sh", "-c", hold, e.dir) //nolint:noctx // It outlives the context.
	if err := holder.Start(); err != nil {
		return nil, ctx, err
	}
	go func() { _ = holder.Wait() }()
	inside := context.WithValue(ctx, hostKey{}, e.host())
	if !eventually(ctx, engineUp, func() bool { e.holder = pidIn(e.dir, "holder"); return e.holder > 0 }) {
		return nil, ctx, errors.New("cannot make namespaces for an engine")
	}
	if err := e.start(inside, false); err != nil {
		return nil, ctx, err
	}
	images := []string{"tale-e2e/slim", databaseImage}
	for _, service := range services {
		images = append(images, fmt.Sprintf(base, service))
	}
	save := exec.CommandContext(ctx, "docker", append([]string{"save"}, images...)...)
	load := exec.CommandContext(ctx, "docker", "-H", e.host(), "load", "-q")
	from, to := io.Pipe()
	save.Stdout, load.Stdin = to, from
	loaded := make(chan error, 1)
	go func() { loaded <- load.Run() }()
	err := save.Run()
	_ = to.Close()
	return e, inside, errors.Join(err, <-loaded)
}

// start starts the engine and waits until it answers, again where it ends: as one does
// that takes the containerd of a killed one for alive. What runs goes on or is stopped.
func (e *ownEngine) start(ctx context.Context, goesOn bool) error {
	for range 3 {
		if err := e.daemon(goesOn); err != nil {
			return err
		}
		answers := false
		eventually(ctx, engineUp, func() bool {
			_, err := docker(ctx, "version")
			answers = err == nil
			return answers || isClosed(e.ended)
		})
		if answers {
			return nil
		}
	}
	return fmt.Errorf("the engine does not answer, see %s", filepath.Join(e.dir, "log"))
}

// found returns where containers find each other: an engine that was killed may lead them
// astray.
func (s *stack) found(ctx context.Context) string {
	addresses, err := docker(ctx, "network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{.IPv4Address}}\n{{end}}", s.id+"_internal")
	names, wrong := docker(ctx, "exec", s.id+"-convex", "getent", "hosts", "db", "platform", "proxy")
	return fmt.Sprintf("addresses:\n%sas convex finds them:\n%s%v", addresses, names, errors.Join(err, wrong))
}

func isClosed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}

// daemon begins the engine's process.
func (e *ownEngine) daemon(goesOn bool) error {
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	join := func(name string) string { return filepath.Join(e.dir, name) }
	_ = os.Remove(join("pid"))                                                   // of one that was killed
	command := exec.Command("nsenter", "-t", strconv.Itoa(e.holder), "-m", "-n", //nolint:noctx // It is ended in its own way.
		"dockerd", "--data-root", e.data(), "--exec-root", join("exec"), "--pidfile", join("pid"), "-H", e.host(), "--log-level", "warn", fmt.Sprintf("--live-restore=%t", goesOn))
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	e.process, e.ended = command.Process, ended
	go func() {
		defer close(ended)
		_ = command.Wait() // killed, or the log says why
	}()
	return nil
}

// kill kills the engine, and starts it again after a while. Where what ran does not go on,
// it is started again, but for helpers: engines take it for stopped by hand (seen with
// 20.10, a fault of its own).
func (e *ownEngine) kill(ctx context.Context, gone time.Duration, goesOn bool) error {
	out, err := docker(ctx, "ps", "--format", "{{.Image}} {{.Names}}")
	err = errors.Join(err, e.process.Kill())
	<-e.ended
	select {
	case <-time.After(gone):
	case <-ctx.Done():
		return ctx.Err()
	}
	if err = errors.Join(err, e.start(ctx, goesOn)); err != nil || goesOn {
		return err
	}
	for line := range strings.Lines(out) {
		if image, name, _ := strings.Cut(strings.TrimSpace(line), " "); !strings.HasPrefix(image, "tale-helper:") {
			_, wrong := docker(ctx, "start", name)
			err = errors.Join(err, wrong)
		}
	}
	return err
}

// remove ends what there is of an engine, also of one that another process has begun.
func (e *ownEngine) remove() error {
	for _, name := range []string{"pid", "holder"} {
		pid := pidIn(e.dir, name)
		if pid == 0 {
			continue
		}
		_ = unix.Kill(pid, unix.SIGTERM) // it may have ended
		eventually(context.Background(), engineUp, func() bool {
			_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
			return err != nil
		})
	}
	e.endShims()
	_ = unix.Unmount(e.data(), unix.MNT_DETACH) // it may be no mount
	return os.RemoveAll(e.dir)
}

// endShims ends containers that go on without their engine.
func (e *ownEngine) endShims() {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, line := range lines {
		text, _ := os.ReadFile(line)
		if !strings.Contains(string(text), "containerd-shim") || !strings.Contains(string(text), e.dir+"/") {
			continue
		}
		shim, _ := strconv.Atoi(filepath.Base(filepath.Dir(line)))
		for _, pid := range append(procfs.Children(shim), shim) {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
		}
	}
}

func pidIn(dir, name string) int {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}
