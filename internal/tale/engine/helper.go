package engine

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	helperRepository = "tale-helper"
	// importLimit is how long the upload of the helper may take, 20 MB over a slow line.
	importLimit = 5 * time.Minute
)

// HelperOptions say what a helper container does: `tale helper ARGS…` beside the engine.
type HelperOptions struct {
	Args    []string
	Mounts  []Mount // a Volume with a slash is a folder of the engine's host
	Labels  map[string]string
	Network string // "": none
	// Beside is the id of a running container whose processes the helper sees and may hold
	// still. "" is none.
	Beside string
}

// ImportHelper makes an image of the running binary, if the engine does not have it yet,
// so that nothing needs to be pulled where something must run beside the engine.
func (e *Engine) ImportHelper(ctx context.Context) (string, error) {
	info, err := e.Info(ctx)
	if err != nil {
		return "", err
	}
	if e.options.Self == "" && (runtime.GOOS != info.OS || runtime.GOARCH != info.Arch) {
		return "", exit.Errorf(exit.Config, "this tale is for %s/%s and cannot run beside the Docker engine at %s, which is %s/%s: run tale on that host", runtime.GOOS, runtime.GOARCH, e.host, info.OS, info.Arch)
	}
	binary, err := os.Open(cmp.Or(e.options.Self, "/proc/self/exe")) // also after an upgrade, this one
	if err != nil {
		return "", fmt.Errorf("cannot read the binary of tale: %w", err)
	}
	defer binary.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, binary)
	if err != nil {
		return "", fmt.Errorf("cannot read the binary of tale: %w", err)
	}
	image := helperRepository + ":" + hex.EncodeToString(hash.Sum(nil)[:6])
	if _, found, err := e.Image(ctx, image); found || err != nil {
		return image, err
	}
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	archive, err := helperArchive(binary, size)
	if err != nil {
		return "", fmt.Errorf("cannot make the image %s: %w", image, err)
	}
	answer, err := e.api.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, image, client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/tale","helper"]`}})
	if err != nil {
		return "", e.failed(ctx, "make the image "+image, err)
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return "", e.failed(ctx, "make the image "+image, err)
	}
	return image, e.pruneHelpers(ctx, image)
}

// pruneHelpers removes the helpers of other versions that no container uses. One that is
// younger than an hour may be about to be used by a tale on another host.
func (e *Engine) pruneHelpers(ctx context.Context, current string) error {
	images, err := e.Images(ctx)
	if err != nil {
		return err
	}
	var made time.Time
	old := map[string]time.Time{}
	for _, image := range images {
		for _, tag := range image.Tags {
			if tag == current {
				made = image.Created
			} else if strings.HasPrefix(tag, helperRepository+":") {
				old[tag] = image.Created
			}
		}
	}
	for tag, created := range old {
		if made.Sub(created) > time.Hour {
			if err := e.RemoveImage(ctx, tag); err != nil && !IsConflict(err) {
				return err
			}
		}
	}
	return nil
}

// helperArchive wraps a binary without holding it in memory.
func helperArchive(binary io.ReadSeeker, size int64) (io.Reader, error) {
	var header bytes.Buffer
	err := tar.NewWriter(&header).WriteHeader(&tar.Header{Name: "tale", Mode: 0o755, Size: size})
	_, seeking := binary.Seek(0, io.SeekStart)
	const block = 512 // two empty ones are the end
	end := make([]byte, (block-size%block)%block+2*block)
	return io.MultiReader(&header, io.LimitReader(binary, size), bytes.NewReader(end)), errors.Join(err, seeking)
}

// RunHelper runs a helper to its end, passing on what it prints line by line, and removes
// it. The helper's input ends with the context and with this process, see Attended.
func (e *Engine) RunHelper(ctx context.Context, o HelperOptions, say func(line string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, alive := io.Pipe()
	defer func() { _ = in.Close() }()
	go keepAlive(ctx, alive)
	return e.Attend(ctx, o, Streams{In: in, Out: Lines(say)})
}

// createHelper makes a container that is removed when it ends.
func (e *Engine) createHelper(ctx context.Context, name, image string, o HelperOptions) (string, error) {
	mounts := make([]mount.Mount, 0, len(o.Mounts))
	for _, m := range o.Mounts {
		kind := mount.TypeVolume
		if filepath.IsAbs(m.Volume) {
			kind = mount.TypeBind
		}
		mounts = append(mounts, mount.Mount{Type: kind, Source: m.Volume, Target: m.Path, ReadOnly: m.ReadOnly})
	}
	// What it prints may be all that a volume holds, which is for no log.
	host := &container.HostConfig{LogConfig: container.LogConfig{Type: "none"}, AutoRemove: true, NetworkMode: container.NetworkMode(cmp.Or(o.Network, noNetwork)), Mounts: mounts}
	if o.Network != "" {
		host.ExtraHosts = []string{ownHost}
	}
	if o.Beside != "" {
		host.PidMode, host.CapAdd = container.PidMode("container:"+o.Beside), []string{"SYS_PTRACE"}
	}
	return e.create(ctx, "create a helper container", client.ContainerCreateOptions{
		Name: name,
		Config: &container.Config{
			Image: image, Cmd: o.Args, Labels: o.Labels,
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true,
		},
		HostConfig: host,
	})
}

// create makes a container, by a name of its own where it has none. One whose answer is lost, or
// comes after ctx has ended, is removed: nothing starts it, so that it would not remove itself.
func (e *Engine) create(ctx context.Context, what string, o client.ContainerCreateOptions) (id string, err error) {
	unnamed := o.Name == ""
	if unnamed {
		o.Name = helperRepository + "-" + strings.ToLower(rand.Text()[:12])
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), changing)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(noticing, cancel) })()
	made, err := e.api.ContainerCreate(asking, o)
	if ended := context.Cause(ctx); ended != nil {
		asking, err = ctx, cmp.Or(err, ended)
	}
	if err != nil && (unnamed || made.ID != "") { // by a name that was given it may be another's
		_ = e.remove(context.WithoutCancel(ctx), noticing, cmp.Or(made.ID, o.Name), client.ContainerRemoveOptions{Force: true})
	}
	return made.ID, e.failed(asking, what, err)
}

// IsHelper reports whether a container is a helper. One that a tale was killed before it
// could start it stays, and its volumes cannot be removed until it is.
func IsHelper(c Container) bool { return strings.HasPrefix(c.Image, helperRepository+":") }

// discard removes a helper, running or not, also after an interrupt, and returns once its
// volumes and its image are free.
func (e *Engine) discard(ctx context.Context, id string) {
	// What stays does nothing, but for what IsHelper says.
	_ = e.remove(context.WithoutCancel(ctx), patience, id, client.ContainerRemoveOptions{Force: true})
}

// DiskFree returns how many bytes are free where the engine keeps its images and volumes,
// and how many that disk has. Where that is no folder of this machine, a helper looks.
func (e *Engine) DiskFree(ctx context.Context) (free, total int64, err error) {
	info, err := e.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	if free, total, known := info.DiskFree(); known {
		return free, total, nil
	}
	const inside = "/root-of-the-engine"
	err = e.RunHelper(ctx, HelperOptions{
		Args:   []string{"free", inside},
		Mounts: []Mount{{Volume: filepath.Clean(info.Root), Path: inside, ReadOnly: true}},
	}, func(line string) { _, _ = fmt.Sscan(line, &free, &total) })
	if err == nil && total == 0 {
		err = fmt.Errorf("cannot measure the disk of the Docker engine at %s: its helper said nothing", e.host)
	}
	return free, total, err
}

// DiskFree returns the same without a helper, if the engine's disk is one of this machine.
func (i Info) DiskFree() (free, total int64, known bool) {
	if !i.onThisHost() {
		return 0, 0, false
	}
	free, total, err := FreeBelow(i.Root)
	return free, total, err == nil
}

// FreeBelow returns the same for the disk of a folder of this machine, as far as an
// ordinary user may fill it.
func FreeBelow(folder string) (free, total int64, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return 0, 0, fmt.Errorf("cannot measure the disk of %s: %w", folder, err)
	}
	//nolint:unconvert // the types differ between Linux and macOS
	size := int64(disk.Bsize)
	return int64(disk.Bavail) * size, int64(disk.Blocks) * size, nil
}

// Memory returns how many bytes a running container uses, without what the kernel can
// drop, and its limit; a limit of 0 is none.
func (e *Engine) Memory(ctx context.Context, id string) (used, limit int64, err error) {
	var stats container.StatsResponse
	_, err = ask(ctx, e, patience, "ask for the memory of the container "+id, func(ctx context.Context, id string) (none struct{}, err error) {
		answer, err := e.api.ContainerStats(ctx, id, client.ContainerStatsOptions{})
		if err != nil {
			return none, err
		}
		defer func() { _ = answer.Body.Close() }()
		return none, json.NewDecoder(answer.Body).Decode(&stats)
	}, id)
	memory := stats.MemoryStats
	cache := memory.Stats["total_inactive_file"]
	if cache == 0 {
		cache = memory.Stats["inactive_file"] // cgroup v2
	}
	return int64(memory.Usage - min(cache, memory.Usage)), int64(memory.Limit), err
}
