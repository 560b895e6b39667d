package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Streams of the file.
const (
	volumeStream = "volumes/convex-data.tar.zst"
	goneStream   = "volumes/convex-data.gone"
	dumpFolder   = "databases/"
	dumpEnding   = ".dump.zst"
	projectFiles = "project/"
)

// LabelVolume is a label of helpers that work in a volume: which one it is.
const LabelVolume = "dev.tale.backup"

// Partial ends the name of a file that is not whole yet.
const Partial = ".partial"

// Take says what goes into a backup, and where that is written.
type Take struct {
	Engine *engine.Engine
	Server Server
	Volume string // "" for a backup without files
	Convex string // id of the container that writes there, "" if it does not run
	// Manifest has all that is known before the data are read.
	Manifest   Manifest
	Files      map[string][]byte // of the project
	Path       string
	Recipients []age.Recipient // none: in plain text
	Say        func(text string)
	Moves      func(stage string, bytes int64) // often
}

// Run takes the backup. The file is there when it is whole, read back and compared; a
// failure leaves none.
func (t Take) Run(ctx context.Context) (m Manifest, err error) {
	if target, err := filepath.EvalSymlinks(t.Path); err == nil {
		t.Path = target // a link stays one
	}
	partial := t.Path + Partial
	file, err := openPartial(partial, t.Path)
	if err != nil {
		return m, err
	}
	if m, err = t.into(ctx, file); err == nil {
		if err = os.Rename(partial, t.Path); err != nil {
			err = &targetError{err}
		}
	}
	if err != nil {
		_ = os.Remove(partial) // it is of no use, and named so; another backup's has this name as soon as it is closed
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return m, err
	}
	return m, atomicfile.SyncFolder(filepath.Dir(t.Path))
}

// into writes the backup into its file, and proves what is there.
func (t Take) into(ctx context.Context, file *os.File) (Manifest, error) {
	sum := sha256.New()
	m, err := t.write(ctx, io.MultiWriter(target{file}, sum))
	if unwritten, is := errors.AsType[*targetError](err); is {
		return m, unwritten // whatever was read when it happened
	}
	if err != nil {
		return m, err
	}
	if err := file.Sync(); err != nil {
		return m, &targetError{err}
	}
	return m, t.readBack(ctx, file, sum, m)
}

// openPartial makes the file, or takes over that of one that was killed. It is locked until it is
// closed: another backup would write into it when it has its name.
func openPartial(partial, path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, &targetError{err}
		}
		// Where the file system has no locks there are none.
		if errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, exit.Errorf(exit.Temporary, "another backup is written to %s now: wait for its end, or name another FILE", path)
		}
		opened, err := file.Stat()
		if named, gone := os.Stat(partial); err != nil || gone != nil || !os.SameFile(opened, named) {
			_ = file.Close() // it has got its name meanwhile, or was removed
			continue
		}
		if opened.Size() > 0 {
			err = file.Truncate(0)
		}
		if err != nil {
			return nil, errors.Join(&targetError{err}, file.Close())
		}
		return file, nil
	}
}

// target is the file of a backup, whose errors are told apart from those of the data.
type target struct{ file *os.File }

func (t target) Write(some []byte) (int, error) {
	n, err := t.file.Write(some)
	if err != nil {
		err = &targetError{err}
	}
	return n, err
}

type targetError struct{ cause error }

func (e *targetError) Unwrap() error { return e.cause }
func (e *targetError) Error() string {
	text := "cannot write the backup, and keep nothing of it: " + e.cause.Error()
	if atomicfile.IsFull(e.cause) {
		text += "; make room, or name a FILE on another disk"
	}
	return text
}

// readBack compares the disk with what was written, and, where it is in plain text, with
// its manifest.
func (t Take) readBack(ctx context.Context, file *os.File, sum hash.Hash, m Manifest) error {
	t.Moves("read back", 0)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again := sha256.New()
	from := io.TeeReader(bufio.NewReaderSize(until{ctx, file}, 1<<20), again)
	if len(t.Recipients) == 0 {
		if found, err := Verify(from); err != nil || found.Sum != m.Sum {
			return fmt.Errorf("cannot read the backup back from the disk: %w", errors.Join(err, ctx.Err()))
		}
	} else if _, err := io.Copy(io.Discard, from); err != nil {
		return fmt.Errorf("cannot read the backup back from the disk: %w", err)
	}
	if !bytes.Equal(again.Sum(nil), sum.Sum(nil)) {
		return fmt.Errorf("the disk at %s gives back other bytes than were written: use another one", filepath.Dir(t.Path))
	}
	return nil
}

// until is a reader that ends with a context.
type until struct {
	ctx  context.Context
	from io.Reader
}

func (u until) Read(into []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.from.Read(into)
}

// write writes all of the file.
func (t Take) write(ctx context.Context, to io.Writer) (Manifest, error) {
	buffered := bufio.NewWriterSize(to, 1<<20)
	var sealed io.WriteCloser = nopCloser{buffered}
	if len(t.Recipients) > 0 {
		var err error
		if sealed, err = age.Encrypt(buffered, t.Recipients...); err != nil {
			return t.Manifest, fmt.Errorf("cannot encrypt the backup: %w", err)
		}
	}
	w := NewWriter(sealed, time.Now())
	m, err := t.content(ctx, w)
	if err == nil {
		m, err = w.Close(m)
	}
	if err == nil {
		err = errors.Join(sealed.Close(), buffered.Flush())
	}
	return m, err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (t Take) content(ctx context.Context, w *Writer) (m Manifest, err error) {
	m = t.Manifest
	m.Databases = []Database{}
	if t.Server.Container != "" {
		if err = t.Server.endNamed(ctx); err != nil { // of one that was killed
			return m, err
		}
		if m.Postgres, err = t.Server.version(ctx); err != nil {
			return m, err
		}
		if m.Databases, err = t.Server.databases(ctx); err != nil {
			return m, err
		}
		if !m.has(t.Server.Platform) {
			return m, exit.Errorf(exit.Config, "there is no database %s to back up, which INSTANCE_NAME names: the backend makes it at its first start", t.Server.Platform)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Files)) {
		if err := w.File(projectFiles+name, t.Files[name]); err != nil {
			return m, err
		}
	}
	sessions := make([]*session, len(m.Databases))
	for i, d := range m.Databases {
		if sessions[i], err = t.Server.open(ctx, d.Name); err != nil {
			return m, err
		}
		defer sessions[i].close()
	}
	snapshots := make([]string, len(sessions))
	moment := func() (err error) {
		m.Moment = time.Now().UTC()
		for i := range sessions {
			if snapshots[i], err = sessions[i].snapshot(ctx); err != nil {
				return fmt.Errorf("cannot keep the moment of the database %s: %w", m.Databases[i].Name, err)
			}
		}
		return nil
	}
	if t.Volume == "" {
		err = moment()
	} else {
		err = t.volume(ctx, w, &m, moment)
	}
	for i := range sessions {
		if err == nil {
			err = t.database(ctx, w, m.Databases[i].Name, snapshots[i])
		}
	}
	return m, err
}

// database dumps one.
func (t Take) database(ctx context.Context, w *Writer, database, snapshot string) error {
	stream := w.Stream(dumpFolder + database + dumpEnding)
	packed, err := zstd.NewWriter(stream, zstd.WithEncoderConcurrency(2))
	if err != nil {
		return err
	}
	if err := t.Server.dump(ctx, database, snapshot, io.MultiWriter(&counter{what: "database " + database, moves: t.Moves}, packed)); err != nil {
		return err
	}
	return errors.Join(packed.Close(), stream.Close())
}

// counter says how much of something went through.
type counter struct {
	what  string
	moves func(what string, total int64)
	total int64
}

func (c *counter) Write(some []byte) (int, error) {
	c.total += int64(len(some))
	c.moves(c.what, c.total)
	return len(some), nil
}

// volume copies the volume; moment is called while nothing is written there.
func (t Take) volume(ctx context.Context, w *Writer, m *Manifest, moment func() error) error {
	if err := endHelpers(ctx, t.Engine, t.Volume); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream := w.Stream(volumeStream)
	in, word := io.Pipe()
	defer func() { _ = in.Close() }()
	options := engine.HelperOptions{
		Args:   []string{readVerb, "none"},
		Mounts: []engine.Mount{{Volume: t.Volume, Path: VolumeFolder, ReadOnly: true}},
		Labels: map[string]string{LabelVolume: t.Volume, engine.LabelProject: t.Manifest.Project},
		Beside: t.Convex,
	}
	if t.Convex != "" {
		options.Args[1] = withProcesses
	}
	var last ending
	hear := func(said message) error {
		switch {
		case said.Space != nil:
			return t.hasRoom(*said.Space, m.Databases)
		case said.Still > 0:
			if err := moment(); err != nil {
				return err
			}
			_, err := io.WriteString(word, goOn+"\n")
			return err
		case said.End != nil:
			last = *said.End
		}
		return nil
	}
	err := talk(ctx, cancel, t.Engine, options, engine.Streams{
		In: in, Out: io.MultiWriter(&counter{what: "volume", moves: t.Moves}, stream),
	}, hear)
	if err != nil {
		return fmt.Errorf("cannot copy the volume %s: %w", t.Volume, err)
	}
	if last.Volume.Tree == "" {
		return fmt.Errorf("cannot copy the volume %s: its helper ended without a word", t.Volume)
	}
	last.Volume.Name = stack.ConvexData
	m.Volume, m.Held, m.Left = &last.Volume, last.Held, last.Left
	return errors.Join(stream.Close(), w.File(goneStream, last.Gone))
}

// hasRoom reports whether the disk can take what is expected: files do not shrink much,
// rows shrink to less than a half of what they need in the server.
func (t Take) hasRoom(volume space, databases []Database) error {
	need := volume.Bytes
	for _, d := range databases {
		need += d.Bytes / 2
	}
	free, _, err := engine.FreeBelow(filepath.Dir(t.Path))
	if err == nil && free < need {
		err = &targetError{fmt.Errorf("%s may be needed in %s, and %s are free: %w", humanize.Bytes(uint64(need)), filepath.Dir(t.Path), humanize.Bytes(uint64(free)), unix.ENOSPC)}
	}
	return err
}
