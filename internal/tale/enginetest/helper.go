package enginetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/moby/api/types/volume"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// HelperFunc does the work of helper containers: root is a folder in which the container's
// mounts are. It is to end with its input and with ctx.
type HelperFunc func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error

// SetHelper lets helper containers work for real, on the folders of the volumes (Folder).
// Without it they do nothing, besides measuring the disk.
func (s *Server) SetHelper(do HelperFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.helper = do
}

// SetDisk says how many bytes are free, and how many there are, from now on.
func (s *Server) SetDisk(free, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Disk = fmt.Sprint(free, " ", total)
}

// Folder returns where the content of a volume is.
func (s *Server) Folder(name string) string {
	return filepath.Join(s.Info.DockerRootDir, "volumes", name, "_data")
}

func (s *Server) volume(name string, labels map[string]string) *volume.Volume {
	if s.volumes[name] == nil {
		s.volumes[name] = &volume.Volume{Name: name, Driver: "local", Labels: labels, Mountpoint: s.Folder(name)}
		if err := os.MkdirAll(s.Folder(name), 0o755); err != nil { //nolint:gosec // as the engine does
			panic(err)
		}
	}
	return s.volumes[name]
}

// measure does what a helper that measures the disk does.
func (s *Server) measure() HelperFunc {
	disk := s.Disk
	return func(_ context.Context, _ string, _ []string, _ io.Reader, out, _ io.Writer) error {
		_, err := fmt.Fprintln(out, disk)
		return err
	}
}

// help runs a helper container to its end. The lock is held.
func (s *Server) help(b *box) {
	do, input, streams := s.helper, b.input, b.streams
	if b.Config.Cmd[0] == "free" {
		do = s.measure()
	}
	for _, m := range b.Mounts {
		s.volume(m.Name, nil) // as the engine does
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.kill = func() {
		cancel()
		_ = b.attend.Close()
		<-done
	}
	go func() {
		defer close(done)
		defer cancel()
		err := runHelper(ctx, do, b, s, input, streams)
		s.mu.Lock()
		defer s.mu.Unlock()
		if b.State.Running && slices.Contains(s.containers, b) {
			s.die(b, exit.Code(err), false)
		}
	}()
}

// runHelper lets a helper work whose output goes to who has attached to it.
func runHelper(ctx context.Context, do HelperFunc, b *box, s *Server, input io.Reader, streams *multiplexer) error {
	root, err := os.MkdirTemp("", "helper") //nolint:usetesting // it ends with the container
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	for _, m := range b.Mounts {
		if err := os.Symlink(s.Folder(m.Name), filepath.Join(root, m.Destination)); err != nil {
			return err
		}
	}
	return do(ctx, root, b.Config.Cmd, input, streams.stream(1), streams.stream(2))
}
