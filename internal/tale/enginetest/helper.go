package enginetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/volume"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// HelperFunc does the work of helper containers: root is a folder in which the container's
// mounts are. It is to end with its input.
type HelperFunc func(ctx context.Context, root string, args []string, in io.Reader, out io.Writer) error

// SetHelper lets helper containers work for real, on the folders of the volumes (Folder).
// Without it they do nothing, besides measuring the disk.
func (s *Server) SetHelper(do HelperFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.helper = do
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

// help runs a helper container to its end. The lock is held.
func (s *Server) help(b *box) {
	do, input := s.helper, b.input
	for _, m := range b.Mounts {
		s.volume(m.Name, nil) // as the engine does
	}
	go func() {
		err := runHelper(do, b, s, input)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.write(b, "!"+err.Error())
		}
		if b.State.Running && slices.Contains(s.containers, b) {
			s.die(b, exit.Code(err), false)
		}
	}()
}

func runHelper(do HelperFunc, b *box, s *Server, input io.Reader) error {
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
	out, lines := io.Pipe()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			s.mu.Lock()
			s.write(b, strings.TrimPrefix(scanner.Text(), "!"))
			s.mu.Unlock()
		}
	}()
	err = do(context.Background(), root, b.Config.Cmd, input, lines)
	_ = lines.Close()
	<-read
	if err != nil {
		err = fmt.Errorf("tale: %w", err)
	}
	return err
}
