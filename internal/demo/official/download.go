package official

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// otherwise is what to do where the release cannot be had.
const otherwise = "; a backend that is there already is taken with BACKEND=/path/to/" + program +
	", and one that the convex client has downloaded (npx convex dev) is found by itself"

// download brings the pinned release to path. The file is there whole, from an
// archive with the pinned checksum, or not at all.
func (f *Finder) download(ctx context.Context, path string) error {
	archive, ok := f.release.archives[f.machine]
	if !ok {
		return exit.Errorf(exit.Unavailable, "cannot download the official backend: there is none for %s%s", f.machine, otherwise)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot keep the official backend: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(path), ".download-")
	if err != nil {
		return fmt.Errorf("cannot keep the official backend: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	url, packed := f.release.url(f.base, archive), filepath.Join(work, "archive.zip")
	sum, err := f.fetch(ctx, url, packed)
	if err != nil {
		return exit.Errorf(exit.Unavailable, "cannot download %s: %w%s", url, err, otherwise)
	}
	if sum != archive.sha256 {
		return exit.Errorf(exit.Failure, "cannot trust %s: its SHA-256 is %s, and %s is pinned; it was not unpacked%s", url, sum, archive.sha256, otherwise)
	}
	unpacked := filepath.Join(work, program)
	if err := unpack(packed, unpacked); err != nil {
		return fmt.Errorf("cannot unpack %s: %w", url, err)
	}
	return os.Rename(unpacked, path)
}

// fetch writes what is at url into a file and returns its SHA-256.
func (f *Finder) fetch(ctx context.Context, url, path string) (sum string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.silence, func() { cancel(fmt.Errorf("nothing came for %s", f.silence)) })
	defer watchdog.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", explain(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answered %s", response.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	counted := &counter{reader: response.Body, total: response.ContentLength, tell: func(done, total int64) {
		watchdog.Reset(f.silence)
		f.Progress(done, total)
	}}
	if _, err := io.Copy(io.MultiWriter(file, hash), counted); err != nil {
		return "", fmt.Errorf("it ended after %d of %d bytes: %w", counted.done, counted.total, explain(ctx, err))
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// explain returns why a transfer ended, in few words.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errors.New(netcause.Reason(err))
}

// counter tells how much of a body was read.
type counter struct {
	reader      io.Reader
	done, total int64
	tell        func(done, total int64)
}

func (c *counter) Read(into []byte) (int, error) {
	n, err := c.reader.Read(into)
	c.done += int64(n)
	c.tell(c.done, c.total)
	return n, err
}

// unpack writes the backend of an archive into an executable file.
func unpack(packed, path string) error {
	reader, err := zip.OpenReader(packed)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	source, err := reader.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, source); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
