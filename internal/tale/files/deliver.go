package files

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// owner is the user and the group of the services, by number: not all images know a name.
const owner = 1001

// Side is whose version is taken where both have one.
type Side string

// Sides. None leaves both as they are.
const (
	None  Side = ""
	Host  Side = "host"
	Stack Side = "stack"
)

// Deliver writes to the stack what is new or has been delivered before, and where the
// host's side is taken also the rest. Where the stack's is taken, what was changed there
// gets into the project's folders. It deletes nothing, and returns the files that it has
// written.
func (p Plan) Deliver(ctx context.Context, e *engine.Engine, dir string, take Side) (written []Change, err error) {
	wanted := []Action{Add, Update}
	switch take {
	case None:
	case Host:
		wanted = append(wanted, Changed, Deleted, Conflict)
	case Stack:
		if err := p.fetch(dir); err != nil {
			return nil, err
		}
	default:
		return nil, exit.Errorf(exit.Usage, "--take is host or stack, not %q", take)
	}
	written = slices.DeleteFunc(p.Of(wanted...), func(c Change) bool { return c.there.foreign })
	next := record{Files: maps.Clone(p.record.Files)}
	for path, file := range p.same {
		next.Files[path] = file.hash
	}
	if take == Stack {
		for _, c := range p.Takable() {
			next.Files[c.Path] = c.there.hash
		}
	}
	if !p.Deliverable() {
		return nil, exit.Errorf(exit.Down, "convex is not there")
	}
	if len(written) == 0 && maps.Equal(next.Files, p.record.Files) {
		return nil, nil
	}
	pending := record{Files: p.record.Files, Pending: map[string]string{}}
	for _, c := range written {
		pending.Pending[c.Path], next.Files[c.Path] = c.here.hash, c.here.hash
	}
	// First what is about to be written, then that it was: a kill between leaves no file
	// that seems to have been changed by somebody.
	if err := p.send(ctx, e, nil, pending); err != nil {
		return nil, err
	}
	return written, p.send(ctx, e, written, next)
}

// send writes files and then the record.
func (p Plan) send(ctx context.Context, e *engine.Engine, files []Change, r record) error {
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	made := maps.Clone(p.folders)
	add := func(name string, file file) error {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: file.mode, Size: int64(len(file.content)), Uid: owner, Gid: owner, ModTime: time.Now()}
		err := archive.WriteHeader(header)
		if err == nil {
			_, err = archive.Write(file.content)
		}
		return err
	}
	for _, c := range files {
		for _, folder := range parents(c.Path) {
			if made[folder] {
				continue
			}
			made[folder] = true
			if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, Uid: owner, Gid: owner, ModTime: time.Now()}); err != nil {
				return err
			}
		}
		if err := add(c.Path, c.here); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := errors.Join(add(recordName, newFile(append(text, '\n'), 0o644)), archive.Close()); err != nil {
		return fmt.Errorf("cannot pack the project's files: %w", err)
	}
	return e.WriteTree(ctx, p.container, data, &content)
}

// parents returns the folders above a file, outermost first.
func parents(name string) []string {
	var all []string
	for i := range strings.Count(name, "/") {
		all = append(all, strings.Join(strings.Split(name, "/")[:i+1], "/"))
	}
	return all
}

// fetch writes what was changed in the stack into the project's folders.
func (p Plan) fetch(dir string) error {
	for _, c := range p.Takable() {
		name := filepath.Join(dir, filepath.FromSlash(path.Clean(c.Path)))
		if err := os.WriteFile(name, c.there.content, 0o644); err != nil {
			return exit.Errorf(exit.NoPermission, "cannot take the stack's %s: %w", c.Path, err)
		}
	}
	return nil
}
