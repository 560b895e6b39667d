package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	// restoringEnding and beforeMark are in the names of databases: of one that is being
	// filled, and of one that was there before.
	restoringEnding = "_restoring"
	beforeMark      = "_before_"
	mostName        = 63 // of Postgres, bytes
)

// Restore says what is brought back, and where to.
type Restore struct {
	Engine   *engine.Engine
	Server   Server
	Volume   string
	Manifest Manifest
	Source   *Source
	Run      string                          // which one this is: of Target.Run, so that a killed one is gone on with
	Moves    func(stage string, bytes int64) // often
	// Free returns how many bytes are free where Postgres has its data; nil where that is
	// not known.
	Free func(context.Context) (int64, error)
}

// LeastFree is how many bytes stay free where Postgres has its data. A server that cannot
// write its log of changes ends, does not come up again, and takes along what serves.
const LeastFree = 512 << 20

// lookEvery is how often that is looked at.
const lookEvery = time.Second

// watched returns a context that ends when too little is free, for what takes room; a
// restore that was killed has to be finished without. The caller stops it.
func (r Restore) watched(ctx context.Context) (watched context.Context, stop func()) {
	if r.Free == nil {
		return ctx, func() {}
	}
	watched, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case <-time.After(lookEvery):
			case <-watched.Done():
				return
			}
			// One that cannot be asked now is asked again.
			if free, err := r.Free(watched); err == nil && free < LeastFree {
				cancel(exit.Errorf(exit.Failure, "only %s are free where Postgres has its data, and it would end without room: make some, `tale restore --discard-old` and `tale cleanup` remove what is not needed, and run the same command again", humanize.Bytes(uint64(free))))
				return
			}
		}
	}()
	return watched, func() { cancel(nil) }
}

// Room returns how many bytes the databases take on their server, with its log of changes,
// which it keeps up to a limit.
func (m Manifest) Room() (bytes int64) {
	for _, d := range m.Databases {
		bytes += d.Bytes
	}
	return bytes + min(bytes, maxLog)
}

// maxLog is what Postgres has for max_wal_size where nothing else is set.
const maxLog = 1 << 30

// Target is what a restore would replace.
type Target struct {
	volume    state
	databases map[string]string // by name: what run has restored it
	filled    []string          // databases with tables, and in which schemas
	login     login
}

// Look returns what is there.
func (r Restore) Look(ctx context.Context) (t Target, err error) {
	if t.volume, err = r.lookAtVolume(ctx); err != nil {
		return t, err
	}
	if r.Server.Container == "" {
		return t, nil
	}
	return r.lookAtServer(ctx, t)
}

// lookAtServer looks for databases, and for what the login may do there.
func (r Restore) lookAtServer(ctx context.Context, t Target) (_ Target, err error) {
	t.databases = map[string]string{}
	if t.login, err = r.Server.login(ctx); err != nil {
		return t, err
	}
	lines, err := r.Server.query(ctx, r.Server.maintenance(), `
SELECT datname || E'\t' || coalesce(substring(shobj_description(d.oid, 'pg_database') FROM '`+restoredMark+`([^\n]*)$'), '')
FROM pg_database d WHERE NOT datistemplate;
`)
	if err != nil {
		return t, err
	}
	for _, line := range lines {
		if database, id, _ := strings.Cut(line, "\t"); r.Server.owns(database) {
			t.databases[database] = id
		}
	}
	for _, d := range r.Manifest.Databases {
		if _, there := t.databases[d.Name]; !there {
			continue
		}
		lines, err := r.Server.query(ctx, d.Name, schemasWithTables)
		if err != nil {
			return t, err
		}
		if lines[0] != "" {
			t.filled = append(t.filled, d.Name+" ("+lines[0]+")")
		}
	}
	return t, nil
}

// schemasWithTables returns those of a database, but for what extensions have made.
const schemasWithTables = `
SELECT coalesce(string_agg(DISTINCT nspname, ', '), '') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'm') AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = c.oid AND deptype = 'e');
`

func (r Restore) lookAtVolume(ctx context.Context) (found state, err error) {
	err = r.helper(ctx, []string{lookVerb}, nil, func(m message) error {
		if m.State != nil {
			found = *m.State
		}
		return nil
	})
	return found, err
}

// Holds returns what would be replaced, in words; nothing is an empty target.
func (t Target) Holds() (what []string) {
	if t.volume.Names > 0 {
		what = append(what, "the convex volume")
	}
	for _, name := range t.filled {
		what = append(what, "the database "+name)
	}
	return what
}

// Room returns how many bytes are free where the volume is, and how many that disk has.
func (t Target) Room() (free, total int64) { return t.volume.Free, t.volume.Total }

// Left reports whether restores have left anything that Discard would remove.
func (t Target) Left() bool { return t.volume.Left || len(t.left(true, true)) > 0 }

// left returns the databases that restores have left: of those that are not finished, and
// old ones whose successor is there.
func (t Target) left(unfinished, old bool) (names []string) {
	for database := range t.databases {
		ending, isBefore := endingOfBefore(database)
		isNew := strings.HasSuffix(database, restoringEnding)
		if unfinished && isNew || old && isBefore && t.replaced(database, ending) {
			names = append(names, database)
		}
	}
	slices.Sort(names)
	return names
}

// replaced reports whether the successor of a database is there that has this ending.
func (t Target) replaced(old, ending string) bool {
	for database := range t.databases {
		if beside(database, ending) == old {
			return true
		}
	}
	return false
}

// Run returns the restore of a backup that was killed and has left something, or else a
// new one.
func (t Target) Run(m Manifest, now time.Time) string {
	left := []string{t.volume.Swapping, t.volume.Ready}
	for _, d := range m.Databases {
		left = append(left, t.databases[beside(d.Name, restoringEnding)])
	}
	for _, run := range left {
		if strings.HasPrefix(run, m.ID()+"-") {
			return run
		}
	}
	for ; ; now = now.Add(time.Second) { // the clock may have been set back
		if run := m.ID() + "-" + now.UTC().Format(runTime); !t.has(run, m) {
			return run
		}
	}
}

// has reports whether there is something that a run has made, or would call so.
func (t Target) has(run string, m Manifest) bool {
	for _, d := range m.Databases {
		if _, kept := t.databases[replacedName(d.Name, run)]; kept || t.databases[d.Name] == run {
			return true
		}
	}
	return t.volume.Done == run
}

const runTime = "20060102150405"

// Begun reports whether a run has begun to swap and has not ended: its data may be in one
// place already and not in the other.
func (t Target) Begun(run string, m Manifest) bool {
	return t.volume.Swapping == run || t.volume.Ready == run && len(t.swapped(run, m)) > 0
}

// Restored reports whether a run has put all in its place.
func (t Target) Restored(run string, m Manifest) bool {
	return t.volume.Done == run && t.volume.Swapping == "" && len(t.swapped(run, m)) == len(m.Databases)
}

// Unfinished returns the run whose swap of the volume has begun and not ended, or "".
func (t Target) Unfinished() string { return t.volume.Swapping }

// swapped returns the databases that are in their place.
func (t Target) swapped(run string, m Manifest) (names []string) {
	for _, d := range m.Databases {
		if t.databases[d.Name] == run && t.databases[beside(d.Name, restoringEnding)] == "" {
			names = append(names, d.Name)
		}
	}
	return names
}

// Prepare puts all of the backup beside what is there, and changes nothing of that. What
// an earlier run has done of it, as a whole, is not done again.
func (r Restore) Prepare(ctx context.Context, t Target) error {
	if err := endHelpers(ctx, r.Engine, r.Volume); err != nil {
		return err
	}
	if err := r.makeRoles(ctx, t); err != nil {
		return err
	}
	from, err := r.Source.Reader()
	if err != nil {
		return err
	}
	var volume *unpacking
	defer func() {
		if volume != nil {
			_ = volume.end(errors.New("not needed any more"))
		}
	}()
	return r.Manifest.each(until{ctx, from}, func(stream Stream, content io.Reader) error {
		database, isDump := strings.CutSuffix(strings.TrimPrefix(stream.Name, dumpFolder), dumpEnding)
		isDump = isDump && strings.HasPrefix(stream.Name, dumpFolder)
		switch {
		case stream.Name == volumeStream && t.volume.Ready != r.Run && t.volume.Done != r.Run:
			volume = r.beginUnpacking(ctx)
			return volume.send(&moving{content, func(n int64) { r.Moves("volume", n) }, 0})
		case stream.Name == goneStream && volume != nil:
			gone, err := io.ReadAll(content)
			if err == nil {
				err = volume.sendGone(gone)
			}
			err = volume.end(err)
			volume = nil
			return err
		case isDump && r.Manifest.has(database) && t.databases[beside(database, restoringEnding)] != r.Run && !slices.Contains(t.swapped(r.Run, r.Manifest), database):
			return r.fill(ctx, database, &moving{content, func(n int64) { r.Moves("database "+database, n) }, 0})
		}
		return nil
	})
}

// moving says how much was read.
type moving struct {
	from  io.Reader
	moved func(total int64)
	total int64
}

func (m *moving) Read(into []byte) (int, error) {
	n, err := m.from.Read(into)
	m.total += int64(n)
	m.moved(m.total)
	return n, err
}

// unpacking is a helper that is sent the content of the volume in frames: a length and so
// many bytes each, and an empty one at the end, behind which come the names that are gone.
type unpacking struct {
	to   *io.PipeWriter
	done chan error
}

func (r Restore) beginUnpacking(ctx context.Context) *unpacking {
	in, to := io.Pipe()
	u := &unpacking{to: to, done: make(chan error, 1)}
	go func() {
		ctx, stop := r.watched(ctx)
		defer stop()
		var full *int64
		err := r.helper(ctx, []string{unpackVerb, r.Run, r.Manifest.Volume.Tree}, in, func(m message) error {
			full = m.Full
			return nil
		})
		if all := r.Manifest.Volume.Bytes; err != nil && full != nil {
			err = exit.Errorf(exit.Failure, "the disk of the volume %s is full: %s of %s are still to come; make room, `tale restore --discard-old` and `tale cleanup` remove what is not needed, and run the same command again: %w",
				r.Volume, humanize.Bytes(uint64(max(0, all-*full))), humanize.Bytes(uint64(all)), err)
		}
		u.done <- err
		_ = in.CloseWithError(err)
	}()
	return u
}

func (u *unpacking) send(content io.Reader) error {
	_, err := copyBuffered(&framesWriter{u.to}, content)
	return u.first(err)
}

func (u *unpacking) sendGone(gone []byte) error {
	_, err := u.to.Write(binary.BigEndian.AppendUint32(nil, 0))
	if err == nil {
		_, err = u.to.Write(gone)
	}
	return u.first(err)
}

// first prefers what the helper says of an end that it has caused.
func (u *unpacking) first(err error) error {
	if err == nil {
		return nil
	}
	select {
	case said := <-u.done:
		u.done <- said
		if said != nil {
			return said
		}
	case <-time.After(5 * time.Second): // it goes on reading, so that it is not the cause
	}
	return err
}

// end waits for the helper; an error breaks its input off.
func (u *unpacking) end(err error) error {
	if err != nil {
		_ = u.to.CloseWithError(err)
		return errors.Join(err, ignore(<-u.done))
	}
	_ = u.to.Close()
	return <-u.done
}

// ignore drops what a helper says that was broken off.
func ignore(error) error { return nil }

type framesWriter struct{ to io.Writer }

func (f *framesWriter) Write(some []byte) (int, error) {
	if _, err := f.to.Write(binary.BigEndian.AppendUint32(nil, uint32(len(some)))); err != nil {
		return 0, err
	}
	return f.to.Write(some)
}

// framesReader reads what framesWriter has written, up to the empty frame.
type framesReader struct {
	from  io.Reader
	left  uint32
	ended bool
}

func (f *framesReader) Read(into []byte) (int, error) {
	for f.left == 0 && !f.ended {
		if err := binary.Read(f.from, binary.BigEndian, &f.left); err != nil {
			return 0, io.ErrUnexpectedEOF // tale has ended
		}
		f.ended = f.left == 0
	}
	if f.ended {
		return 0, io.EOF
	}
	n, err := f.from.Read(into[:min(uint32(len(into)), f.left)])
	f.left -= uint32(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// helper runs a helper in the volume.
func (r Restore) helper(ctx context.Context, args []string, in io.Reader, hear func(message) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if hear == nil {
		hear = func(message) error { return nil }
	}
	err := talk(ctx, cancel, r.Engine, engine.HelperOptions{
		Args:   args,
		Mounts: []engine.Mount{{Volume: r.Volume, Path: VolumeFolder}},
		Labels: map[string]string{LabelVolume: r.Volume},
	}, engine.Streams{In: in}, hear)
	if err != nil {
		return fmt.Errorf("cannot restore into the volume %s: %w", r.Volume, err)
	}
	return nil
}

// fill makes a database beside the one of its name.
func (r Restore) fill(ctx context.Context, database string, packed io.Reader) error {
	i := slices.IndexFunc(r.Manifest.Databases, func(d Database) bool { return d.Name == database })
	d, as := r.Manifest.Databases[i], beside(database, restoringEnding)
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name(as) + " WITH (FORCE);\n", d.created(as) + ";\n"} {
		if _, err := r.Server.query(ctx, r.Server.maintenance(), statement); err != nil {
			return err
		}
	}
	ctx, stop := r.watched(ctx)
	defer stop()
	plain, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	in := &untilEnded{from: plain}
	defer func() { in.end(); plain.Close() }()
	restore := program("pg_restore", "--exit-on-error", "--no-owner", "-d", connection(as))
	if err := r.Server.run(ctx, restore, engine.Streams{In: in}); err != nil {
		return fmt.Errorf("cannot restore the database %s: %w", database, err)
	}
	// Without it the first queries are planned blindly.
	if _, err := r.Server.query(ctx, as, "ANALYZE;\n"); err != nil {
		return err
	}
	return r.complete(ctx, d, as)
}

// complete gives a database what no dump has, and marks it as restored in full.
func (r Restore) complete(ctx context.Context, d Database, as string) error {
	return r.Server.transaction(ctx, append(d.properties(as), d.marked(as, r.Run))...)
}

// untilEnded is a reader for a program, which may end before all is read: what it reads
// from is not read any more after end.
type untilEnded struct {
	mu   sync.Mutex
	from io.Reader
}

func (u *untilEnded) Read(into []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.from.Read(into)
}

func (u *untilEnded) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.from = bytes.NewReader(nil)
}

// renames is how often others are told to leave a database that is to be renamed.
const renames = 5

// SwapDatabases puts the new databases in the places of those that are there, which get
// another name, all at once. The backend and its users have ended, so that a server that is
// away, as it is while it restarts, is waited for.
func (r Restore) SwapDatabases(ctx context.Context) (err error) {
	for range renames {
		var t Target
		if t, err = r.lookAtServer(ctx, t); err == nil {
			err = r.swapDatabases(ctx, t)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if exit.Code(err) == exit.Unavailable {
			r.Server.await(ctx)
		}
	}
	return fmt.Errorf("cannot put the restored databases in their places: %w", err)
}

// swapDatabases does it for those that are not in their places.
func (r Restore) swapDatabases(ctx context.Context, t Target) error {
	var statements, named []string
	for _, d := range r.Manifest.Databases {
		fresh := beside(d.Name, restoringEnding)
		if t.databases[fresh] != r.Run {
			if slices.Contains(t.swapped(r.Run, r.Manifest), d.Name) {
				continue
			}
			return exit.Errorf(exit.Failure, "the database %s has gone", fresh)
		}
		if _, there := t.databases[d.Name]; there {
			statements = append(statements, "ALTER DATABASE "+name(d.Name)+" RENAME TO "+name(replacedName(d.Name, r.Run)))
		}
		statements = append(statements, "ALTER DATABASE "+name(fresh)+" RENAME TO "+name(d.Name))
		named = append(named, literal(d.Name), literal(fresh))
	}
	if len(statements) == 0 {
		return nil
	}
	leave := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IN (" + strings.Join(named, ", ") + ");\n"
	if _, err := r.Server.query(ctx, r.Server.maintenance(), leave); err != nil {
		return err
	}
	return r.Server.transaction(ctx, statements...)
}

// replacedName returns the name that a database gets which a run replaces.
func replacedName(database, run string) string {
	return beside(database, beforeMark+run[len(run)-len(runTime):])
}

// beside returns the name of a database that belongs to another one. Postgres cuts long
// names, so that of such a name the sum keeps it apart from others that begin alike.
func beside(database, ending string) string {
	if len(database)+len(ending) <= mostName {
		return database + ending
	}
	sum := sha256.Sum256([]byte(database))
	ending = "_" + hex.EncodeToString(sum[:4]) + ending
	cut := mostName - len(ending)
	for !utf8.RuneStart(database[cut]) {
		cut--
	}
	return database[:cut] + ending
}

// SwapVolume does the same for the volume.
func (r Restore) SwapVolume(ctx context.Context) error {
	return r.helper(ctx, []string{swapVerb, r.Run}, nil, nil)
}

// Discard removes what a restore has put beside what is there, or what was there before
// one: databases by their names, and the hidden folder of the volume. It returns what
// databases these were.
func (r Restore) Discard(ctx context.Context, unfinished, old bool) (removed []string, err error) {
	if err := endHelpers(ctx, r.Engine, r.Volume); err != nil {
		return nil, err
	}
	t, err := r.Look(ctx)
	if err != nil {
		return nil, err
	}
	if t.volume.Swapping != "" {
		return nil, exit.Errorf(exit.Config, "the restore of the backup %s was killed in the middle: `tale restore FILE` finishes it first", t.volume.Swapping)
	}
	for _, database := range t.left(unfinished, old) {
		if _, err := r.Server.query(ctx, r.Server.maintenance(), "DROP DATABASE "+name(database)+" WITH (FORCE);\n"); err != nil {
			return removed, err
		}
		removed = append(removed, database)
	}
	what := dropNew
	if old {
		what = dropOld
	}
	return removed, r.helper(ctx, []string{dropVerb, what}, nil, nil)
}

// endingOfBefore returns what the name of a replaced database ends with, if it is one.
func endingOfBefore(database string) (ending string, is bool) {
	i := strings.LastIndex(database, beforeMark)
	if i < 0 {
		return "", false
	}
	_, err := time.Parse(runTime, database[i+len(beforeMark):])
	return database[i:], err == nil
}
