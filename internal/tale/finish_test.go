package tale

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestARestoreStartsAllThatItHasStopped: also behind one that cannot be started, which the
// same command starts, or that does not become healthy, which it cannot mend.
func TestARestoreStartsAllThatItHasStopped(t *testing.T) {
	for name, tt := range map[string]struct {
		life  enginetest.Life
		fault int // of starts of convex
		noted bool
		says  string
	}{
		"cannot be started": {enginetest.Life{Healthy: 1}, 1, true, "`tale restore b.tar` does"},
		"is not healthy":    {enginetest.Life{Unhealthy: 1}, 0, false, "`tale logs convex` says why"},
	} {
		t.Run(name, func(t *testing.T) {
			server, dir := enginetest.New(t), t.TempDir()
			e, err := engine.Connect(t.Context(), engine.Options{Host: server.Host(), Environ: config.Environ{"HOME": dir}})
			if err != nil {
				t.Fatal(err)
			}
			add := func(service string, life enginetest.Life) string {
				return server.AddContainer(enginetest.Container{Project: "shop", Service: service, Name: service, Image: "x:1", HealthCheck: true, Life: life})
			}
			platform, convex := add("platform", enginetest.Life{Healthy: 1}), add("convex", tt.life)
			r := &restoring{session: &session{engine: e, project: &project.Project{Dir: dir}}, path: "b.tar", options: restoreOptions{timeout: 200 * time.Millisecond}}
			r.note.Stopped = []string{platform, convex}
			if err := r.project.Write([]byte("{}"), restoringName); err != nil {
				t.Fatal(err)
			}
			server.Fault("POST", "/containers/"+convex+"/start", enginetest.Fault{Status: 500, Message: "the engine goes down"}, tt.fault)
			err = r.finish(t.Context())
			if exit.Code(err) != exit.Degraded || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%d: %v", exit.Code(err), err)
			}
			if c, err := e.Inspect(t.Context(), platform); err != nil || !c.State.Running {
				t.Errorf("platform: %+v, %v", c.State, err)
			}
			_, err = os.Stat(r.project.Path(restoringName))
			if noted := !errors.Is(err, fs.ErrNotExist); noted != tt.noted {
				t.Errorf("the note is there: %v", noted)
			}
			if !tt.noted {
				return
			}
			r.options.timeout = time.Minute
			if err := r.finish(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
			if c, err := e.Inspect(t.Context(), convex); err != nil || !c.State.Well() {
				t.Errorf("convex: %+v, %v", c.State, err)
			}
		})
	}
}

// shop is a project whose stack runs on an engine in memory, with Postgres there, too.
type shop struct {
	*enginetest.Server
	t        *testing.T
	app      *app
	postgres *enginetest.Postgres
}

const shopSecret = "abababababababababababababababababababababababababababababababab"

func newShop(t *testing.T) *shop {
	t.Helper()
	testkit.RequireRoot(t)
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{
		"tale":      "what helpers are",
		"tale.json": `{"version": 1, "id": "shop-1", "services": ["db", "convex", "platform"]}`,
		".env":      strings.Join([]string{"SITE_URL=https://x.example\nDB_PASSWORD=", "INSTANCE_SECRET=", "BETTER_AUTH_SECRET=", "ENCRYPTION_SECRET_HEX="}, shopSecret+"\n") + shopSecret,
	})
	s := &shop{Server: enginetest.New(t), t: t, postgres: &enginetest.Postgres{}}
	s.app = &app{environ: config.Environ{"HOME": dir, "DOCKER_HOST": s.Host()}, folder: dir, self: filepath.Join(dir, "tale")}
	s.SetProgram(s.postgres.Program)
	s.SetHelper(helpShop)
	for service, volumes := range map[string]map[string]string{"db": nil, "convex": {"/app/data": "shop-1_convex-data"}, "platform": nil} {
		s.AddContainer(enginetest.Container{Project: "shop-1", Service: service, Name: "shop-1-" + service, Image: "x:1", Volumes: volumes, Running: true})
	}
	s.fill("before")
	return s
}

// helpShop does the work of helpers in the folders of an engine in memory.
func helpShop(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
	folder, err := os.Readlink(filepath.Join(root, backup.VolumeFolder))
	if err != nil {
		return err
	}
	if slices.Equal(args, []string{"backup-read", "still"}) {
		args[1] = "none" // it would hold the processes of this machine
	}
	return backup.Helper(ctx, folder, args, in, out, talk)
}

// fill gives the stack its data.
func (s *shop) fill(with string) {
	folder := s.Folder("shop-1_convex-data")
	if err := os.RemoveAll(folder); err != nil {
		s.t.Fatal(err)
	}
	testkit.WriteTree(s.t, folder, map[string]string{"storage/file": with, "modules/" + with: with})
	s.postgres.Reset(map[string]string{"tale_platform": with})
}

// run runs a command of the project.
func (s *shop) run(command *cobra.Command, args ...string) error {
	command.SetArgs(args)
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	command.SetIn(strings.NewReader(""))
	command.SilenceErrors, command.SilenceUsage = true, true
	return command.ExecuteContext(s.t.Context())
}

func (s *shop) engine() *engine.Engine {
	s.t.Helper()
	e, err := engine.Connect(s.t.Context(), engine.Options{Host: s.Host(), Environ: s.app.environ})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// holds returns what is there: the data, what runs, and what a restore has noted.
func (s *shop) holds() string {
	s.t.Helper()
	var all []string
	for name, content := range s.postgres.Contents() {
		if !strings.Contains(name, "_before_") {
			all = append(all, name+": "+content)
		}
	}
	folder := s.Folder("shop-1_convex-data")
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && entry.Name() == ".tale-restore" {
			return fs.SkipDir
		}
		if err == nil && !entry.IsDir() {
			all = append(all, path[len(folder):]+": "+testkit.ReadFile(s.t, path))
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	e := s.engine()
	defer e.Close()
	containers, err := e.Everything(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range containers {
		if engine.IsHelper(c) {
			continue // one that was never started does nothing
		}
		all = append(all, c.Name+" runs: "+strconv.FormatBool(c.State.Running))
	}
	if _, err := os.Stat(filepath.Join(s.app.folder, ".tale", restoringName)); err == nil {
		all = append(all, "a restore is under way")
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// requests returns what a command asks the engine for: method and path, with a star for
// what is a name or an id, and how often.
func (s *shop) requests(do func() error) map[string]int {
	s.t.Helper()
	before := len(s.Calls())
	if err := do(); err != nil {
		s.t.Fatal(err)
	}
	asked := map[string]int{}
	for _, call := range s.Calls()[before:] {
		parts := strings.Split(call, "/")
		for i := 2; i < len(parts); i += 2 {
			if parts[i] != "json" && parts[i] != "create" {
				parts[i] = "*"
			}
		}
		asked[strings.Join(parts, "/")]++
	}
	return asked
}

// eachFails calls do with each request going wrong once, the first of its kind in all ways.
func (s *shop) eachFails(asked map[string]int, do func(how string)) {
	s.t.Helper()
	faults := []enginetest.Fault{{Status: 500, Message: "no"}, {Drop: true}, {Cut: 1}, {Cut: 200}}
	for request, times := range asked {
		method, path, _ := strings.Cut(request, " ")
		for n := range times + len(faults) - 1 {
			fault := faults[n%len(faults)]
			fault.After = max(0, n-len(faults)+1)
			s.Fault(method, path, fault, 1)
			do(fmt.Sprintf("%s with %+v", request, fault))
			s.Mend()
		}
	}
}

// TestAnyRequestOfABackupMayFail: what served serves, no file is there that is not whole,
// and the next run makes one.
func TestAnyRequestOfABackupMayFail(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := filepath.Join(s.app.folder, "b.tar")
	backUp := func() error { return s.run(s.app.backupCommand(), file, "--wait") }
	asked, before := s.requests(backUp), s.holds()
	whole := func(how string) {
		source, err := backup.Open(file)
		if err == nil {
			_, err = source.Verify()
			err = errors.Join(err, source.Close(), os.Remove(file))
		}
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	whole("no fault")
	s.eachFails(asked, func(how string) {
		if err := backUp(); err == nil {
			whole(how)
		} else if left, _ := filepath.Glob(file + "*"); len(left) > 0 || strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %q are left: %v", how, left, err)
		}
		if now := s.holds(); now != before {
			t.Errorf("%s: there was\n%s\nand is\n%s", how, before, now)
		}
		s.Mend()
		if err := backUp(); err != nil {
			t.Errorf("the run after %s: %v", how, err)
		}
		whole("the run after " + how)
	})
}

// TestAnyRequestOfARestoreMayFail: what served serves with the data of before, or the error
// names the command that finishes it, and that does.
func TestAnyRequestOfARestoreMayFail(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := filepath.Join(s.app.folder, "b.tar")
	if err := s.run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	backedUp := s.holds()
	s.fill("now")
	now := s.holds()
	restore := func() error { return s.run(s.app.restoreCommand(), file, "--project-name", "shop-1", "--wait") }
	asked := s.requests(restore)
	stuck := 0
	s.eachFails(asked, func(how string) {
		s.fill("now")
		err, is := restore(), s.holds()
		switch code := exit.Code(err); {
		case code == exit.Stuck, code == exit.Degraded:
			stuck++
			testkit.WantError(t, err, code, "`tale restore "+file+"`")
			if !strings.Contains(is, "a restore is under way") {
				t.Errorf("%s: nothing is noted: %v", how, err)
			}
		case err == nil && is != backedUp, err != nil && is != now:
			t.Errorf("%s: %v, and there is\n%s", how, err, is)
		}
		s.Mend()
		if err := restore(); err != nil || s.holds() != backedUp {
			t.Errorf("the run after %s: %v, and there is\n%s", how, err, s.holds())
		}
	})
	if stuck == 0 {
		t.Error("no failure came between the swaps")
	}
}

// TestARestoreThatCannotBeIsRefused before anything is stopped or unpacked.
func TestARestoreThatCannotBeIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*shop)
		code    int
		words   []string
	}{
		"a small volume": {func(s *shop) { s.onSmallDisk("64k", "small") }, exit.Failure, []string{"the volume shop-1_convex-data has ", " free, and what is restored beside the present data needs 536 kB; nothing was changed: `tale restore --discard-old`"}},
		"a folder where nothing can be noted": {func(s *shop) {
			if err := os.RemoveAll(filepath.Join(s.app.folder, ".tale")); err != nil {
				s.t.Fatal(err)
			}
			testkit.WriteTree(s.t, s.app.folder, map[string]string{".tale": "no folder"})
		}, exit.NoPermission, []string{"nothing can be noted in ", "nothing was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			file := filepath.Join(s.app.folder, "b.tar")
			s.fill(strings.Repeat("x", 200))
			testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"large": strings.Repeat("x", 200_000)})
			if err := s.run(s.app.backupCommand(), file); err != nil {
				t.Fatal(err)
			}
			s.fill("now")
			tt.prepare(s)
			now := s.holds()
			testkit.WantError(t, s.run(s.app.restoreCommand(), file, "--project-name", "shop-1"), tt.code, tt.words...)
			if is := s.holds(); is != now || slices.ContainsFunc(s.Changes(), func(call string) bool { return strings.HasSuffix(call, "/stop") }) {
				t.Errorf("there was\n%s\nand is\n%s", now, is)
			}
		})
	}
}

// member is one of the file of a backup, and where it lies there.
type member struct {
	head    *tar.Header
	content []byte
	at      int // of its head; the content follows
}

const tarBlock = 512

func membersOf(t *testing.T, text []byte) (all []member) {
	t.Helper()
	at := 0
	for archive := tar.NewReader(bytes.NewReader(text)); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(archive)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{head, content, at})
		at += tarBlock + (len(content)+tarBlock-1)/tarBlock*tarBlock
	}
}

func archiveOf(t *testing.T, members []member) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, m := range members {
		if err := archive.WriteHeader(m.head); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// damages returns the file of a backup with each of its members cut, changed, left out,
// replaced by a folder, and with another before it.
func damages(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	all, damaged := membersOf(t, text), map[string][]byte{}
	for i, m := range all {
		name, size := m.head.Name, len(m.content)
		for _, cut := range []int{0, 1, tarBlock / 2, tarBlock, tarBlock + size/2, tarBlock + size} {
			damaged[fmt.Sprintf("%s cut at %d", name, cut)] = text[:m.at+cut]
		}
		for _, at := range []int{0, 100, 124, 148, tarBlock + size/2, tarBlock + size - 1} { // name, mode, size, checksum, content
			if at < tarBlock+size {
				flipped := bytes.Clone(text)
				flipped[m.at+at] ^= 1
				damaged[fmt.Sprintf("%s with byte %d flipped", name, at)] = flipped
			}
		}
		folder := member{head: &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o700, ModTime: m.head.ModTime}}
		extra := member{&tar.Header{Typeflag: tar.TypeReg, Name: name + ".more", Size: 1, Mode: 0o600, ModTime: m.head.ModTime}, []byte("x"), 0}
		damaged[name+" left out"] = archiveOf(t, slices.Delete(slices.Clone(all), i, i+1))
		damaged[name+" is a folder"] = archiveOf(t, slices.Replace(slices.Clone(all), i, i+1, folder))
		damaged["another before "+name] = archiveOf(t, slices.Insert(slices.Clone(all), i, extra))
		damaged[name+" twice"] = archiveOf(t, slices.Insert(slices.Clone(all), i, m))
	}
	damaged["whole, and more behind"] = append(bytes.Clone(text), make([]byte, tarBlock)...)
	damaged["empty"] = nil
	return damaged
}

// TestDamageIsFoundBeforeAnythingIsReplaced: whatever is wrong with the file, the engine is
// asked for no more than the lock and what runs.
func TestDamageIsFoundBeforeAnythingIsReplaced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := filepath.Join(s.app.folder, "b.tar")
	if err := s.run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	s.fill("now")
	text, now := []byte(testkit.ReadFile(t, file)), s.holds()
	if !bytes.Equal(text, archiveOf(t, membersOf(t, text))) {
		t.Fatal("this test makes other archives than backups are")
	}
	refused := func(how string, code int, words ...string) {
		t.Helper()
		before := len(s.Calls())
		err := s.run(s.app.restoreCommand(), file, "--project-name", "shop-1")
		if exit.Code(err) != code {
			t.Errorf("%s: exit code %d, want %d", how, exit.Code(err), code)
		}
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", how, err, word)
			}
		}
		for _, call := range s.Calls()[before:] {
			if strings.Contains(call, "/exec") || strings.Contains(call, "/stop") {
				t.Errorf("%s: %s", how, call)
			}
		}
	}
	for how, damaged := range damages(t, text) {
		testkit.WriteTree(t, s.app.folder, map[string]string{"b.tar": string(damaged)})
		refused(how, exit.Failure, "the backup is damaged: ", "nothing was changed")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	refused("no file", exit.Usage, "cannot open the backup: ")
	testkit.WriteTree(t, file, map[string]string{"part": ""})
	refused("a folder", exit.Usage, "is a folder, where a file is wanted")
	if is := s.holds(); is != now {
		t.Errorf("there was\n%s\nand is\n%s", now, is)
	}
}
