package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	// memory is what the small disk of an engine is made of.
	memory = 4 << 30
	// room is what it has left: more than the image that is replaced takes, so that nothing
	// but its download tells of one that does not fit.
	room     = 300 << 20
	oversize = 500 << 20
)

// fullDisk deploys releases that the engine's disk has no room for: one whose registry says
// so, and one that fills the disk when it is unpacked.
func (s *stack) fullDisk(ctx context.Context) error {
	if s.engine == nil || !s.engine.small {
		fmt.Println("  not run: it needs an engine with a small disk, --kill-engine --only room")
		return nil
	}
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	if err := s.engine.leave(room); err != nil {
		return err
	}
	for _, m := range []struct {
		mishap
		fill io.Reader
	}{
		{mishap{name: "disk: too small for what a registry has", code: exit.Unavailable, says: []string{"free, and the new images", "need some", "`tale cleanup --dry-run`"}}, rand.Reader},
		{mishap{name: "disk: full in the middle of a pull", code: exit.Failure, says: []string{"/shop:1", "no space left on device", "the disk of the Docker engine", "`tale cleanup --dry-run`", "nothing was changed"}}, zeros{}},
	} {
		if err := s.sufferFrom(ctx, m.mishap, m.fill); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if err := s.engine.leave(memory); err != nil {
		return err
	}
	if err := image(ctx, "platform", newer, ""); err != nil { // it was removed, to make room
		return err
	}
	_, err := s.must(ctx, "deploy", "--version", newer)
	return err
}

// sufferFrom deploys an image of which the engine's disk gets too full.
func (s *stack) sufferFrom(ctx context.Context, m mishap, fill io.Reader) (err error) {
	before, err := s.serving(ctx)
	if err != nil {
		return err
	}
	restore, err := s.remember()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	end, err := s.engine.serve(oversized(fill))(ctx, s)
	if err != nil {
		return err
	}
	r, code := s.do(ctx, "deploy")
	s.judge(m, r, code, &load{})
	now, err := s.serving(ctx)
	s.want(err == nil && now.ID == before.ID && now.State.StartedAt.Equal(before.State.StartedAt), m.name+": what served goes on", before.ID, now.ID)
	_, code = s.do(ctx, "status")
	s.want(code == 0, m.name+": what tale status says of it", 0, code)
	return end()
}

// mountSmall makes the engine's disk one of memory.
func (e *ownEngine) mountSmall() error {
	return errors.Join(os.MkdirAll(e.data(), 0o700), unix.Mount("tmpfs", e.data(), "tmpfs", 0, fmt.Sprintf("size=%d", memory)))
}

// leave makes the small disk as large as what is on it and this many bytes more.
func (e *ownEngine) leave(bytes uint64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(e.data(), &disk); err != nil {
		return err
	}
	used := (disk.Blocks - disk.Bfree) * uint64(disk.Bsize)
	return unix.Mount("tmpfs", e.data(), "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", used+bytes))
}

// oversizedImage is an image with one layer, as a registry has it.
type oversizedImage map[string][]byte // by digest; the manifest by ""

func oversized(fill io.Reader) oversizedImage {
	var layer bytes.Buffer
	zipped := gzip.NewWriter(&layer)
	sum := sha256.New()
	file := tar.NewWriter(io.MultiWriter(zipped, sum))
	_ = file.WriteHeader(&tar.Header{Name: "large", Mode: 0o644, Size: oversize}) // to memory
	_, _ = io.CopyN(file, fill, oversize)
	_ = errors.Join(file.Close(), zipped.Close())
	config := fmt.Appendf(nil, `{"architecture":%q,"os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, runtime.GOARCH, sum.Sum(nil))
	i := oversizedImage{digestOf(layer.Bytes()): layer.Bytes(), digestOf(config): config}
	i[""] = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":%q},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%d,"digest":%q}]}`,
		manifestType, len(config), digestOf(config), layer.Len(), digestOf(layer.Bytes()))
	return i
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

func digestOf(text []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(text)) }

func (i oversizedImage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if blob, there := i[filepath.Base(r.URL.Path)]; there {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(blob))
	} else if strings.Contains(r.URL.Path, "/manifests/") {
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", digestOf(i[""]))
		_, _ = w.Write(i[""])
	}
}

// serve has a registry where the engine is, and the project use its image.
func (e *ownEngine) serve(image oversizedImage) func(context.Context, *stack) (func() error, error) {
	return func(ctx context.Context, s *stack) (func() error, error) {
		listener, err := e.listen()
		if err != nil {
			return nil, err
		}
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: image}
		go func() { _ = server.Serve(listener) }()
		_, err = images(listener.Addr().String()+"/shop:1")(ctx, s)
		return server.Close, err
	}
}

// listen listens on loopback in the engine's network.
func (e *ownEngine) listen() (listener net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		var network *os.File
		if network, err = os.Open(filepath.Join("/proc", strconv.Itoa(e.holder), "ns", "net")); err != nil {
			return
		}
		defer network.Close()
		if err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err == nil {
			listener, err = net.Listen("tcp", "127.0.0.1:0")
		}
	}()
	<-done
	return listener, err
}

// zeros take no room while they are packed.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
