package tale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

type backupOptions struct {
	noFiles    bool
	recipients []string
	passphrase bool
	quiet      bool
	wait       time.Duration
}

func (a *app) backupCommand() *cobra.Command {
	o := backupOptions{}
	command := &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Write databases and files of one moment to a file",
		Long: `Write all databases and the convex volume, as they are at one moment, to a file. The
site goes on: convex stands still for the part of a second in which the last changes
are copied, and goes on by itself if this command is killed. The file is there when it
is whole and was read back. In a folder, here by default, it is ID-TIME.tar.

With --recipient or --passphrase it is encrypted by age and has .env, too. Otherwise it
has not: keep .env apart, because nothing can be restored without its INSTANCE_SECRET.
What the proxy keeps, the volumes of rag and crawler, and files in S3 are not part of it.
--no-files leaves the volume out, which is for looking at the data: it cannot be restored.

Exit codes: 0 done; 1 failed, and there is no file; 64 usage; 69 the engine or Postgres
is unreachable; 75 locked, too much is written now, or convex or Postgres was restarted;
77 permission; 78 configuration; 130 interrupted.`,
		Example: `  tale backup
  tale backup /backups/shop.tar
  tale backup --recipient age1… /backups/shop.tar.age
  tale backup --passphrase shop.tar.age < passphrase.txt`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	flags.BoolVar(&o.noFiles, "no-files", false, "leave the convex volume out; it cannot be restored then")
	flags.StringArrayVar(&o.recipients, "recipient", nil, "encrypt for this `KEY` of age (age1…); may be given again")
	flags.BoolVar(&o.passphrase, "passphrase", false, "encrypt with a passphrase, which is asked for, or read from stdin")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
	waitFlag(command, &o.wait)
	command.RunE = func(command *cobra.Command, args []string) error {
		path := ""
		if len(args) > 0 {
			path = args[0]
		}
		return a.backup(command, path, o)
	}
	return command
}

func (a *app) backup(command *cobra.Command, path string, o backupOptions) error {
	if o.passphrase && len(o.recipients) > 0 {
		return exit.Errorf(exit.Usage, "--passphrase and --recipient exclude each other")
	}
	recipients, err := backup.Recipients(o.recipients, "")
	if err != nil {
		return err
	}
	if err := cli.CheckNewFile(backupFile(path, "", false, time.Time{})); err != nil {
		return fmt.Errorf("cannot write a backup: %w", err)
	}
	out := a.progress(command, o.quiet)
	ctx, stop := console.Interruptible(command.Context(), func() { out.Say("interrupted: the file is removed") })
	defer stop()
	s, release, err := a.locked(ctx, stop, command, o.wait, out)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer release()
	if o.passphrase {
		passphrase, err := a.newPassphrase(ctx, command)
		if err != nil {
			return err
		}
		if recipients, err = backup.Recipients(nil, passphrase); err != nil {
			return err
		}
	}
	began := time.Now()
	path = backupFile(path, s.project.File.ID, len(recipients) > 0, began)
	m, err := s.takeBackup(ctx, path, recipients, o.noFiles, out)
	if err != nil {
		return out.Failed(interrupted(ctx, err))
	}
	return out.Result(described(path, m, time.Since(began)), nil)
}

// backupFile returns the file for a path that may be a folder, or empty for this one.
func backupFile(path, id string, sealed bool, now time.Time) string {
	if info, err := os.Stat(path); path != "" && (err != nil || !info.IsDir()) {
		return path
	}
	ending := ".tar"
	if sealed {
		ending += ".age"
	}
	return dated(filepath.Join(path, id+"-"), ending, now)
}

// dated returns the name of a file that is not there. One of that time may be, where the
// clock was set back: it has other data, and stays.
func dated(beginning, ending string, now time.Time) string {
	beginning += now.UTC().Format("20060102T150405Z")
	path := beginning + ending
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); err != nil {
			return path
		}
		path = fmt.Sprintf("%s-%d%s", beginning, n, ending)
	}
}

// interrupted makes whatever noticed an interrupt one.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return exit.Errorf(exit.Interrupted, "interrupted: nothing was changed")
	}
	return err
}

// locked opens the project, its engine and both locks.
func (a *app) locked(ctx context.Context, stop func(), command *cobra.Command, wait time.Duration, out *console.Progress) (*session, func(), error) {
	s, err := a.session(ctx)
	if err != nil {
		return nil, nil, err
	}
	free, err := s.lock(ctx, commandLine(command), wait, out.Say)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	freeEngine, err := s.lockEngine(ctx, commandLine(command), wait, out.Say, stop)
	if err != nil {
		free()
		s.close()
		return nil, nil, err
	}
	return s, func() { freeEngine(); free(); s.close() }, nil
}

func (a *app) newPassphrase(ctx context.Context, command *cobra.Command) (string, error) {
	text, err := a.prompter(command).NewSecret(ctx, "Passphrase of the backup")
	if err == nil && text == "" {
		err = exit.Errorf(exit.Usage, "an empty passphrase protects nothing")
	}
	return text, err
}

func described(path string, m backup.Manifest, took time.Duration) string {
	size := ""
	if info, err := os.Stat(path); err == nil {
		size = ", " + humanize.Bytes(uint64(info.Size()))
	}
	text := fmt.Sprintf("%s%s: %s", path, size, english.Plural(len(m.Databases), "database", ""))
	if m.Volume != nil {
		text += fmt.Sprintf(" and %s (%s)", english.Plural(int(m.Volume.Files), "file", ""), humanize.Bytes(uint64(m.Volume.Bytes)))
	} else {
		text += " without files, which cannot be restored"
	}
	return text + fmt.Sprintf(" of %s, in %.1f s; convex stood still for %.2f s", m.Moment.Format(time.RFC3339), took.Seconds(), m.Held)
}

// takeBackup takes one of what runs.
func (s *session) takeBackup(ctx context.Context, path string, recipients []age.Recipient, noFiles bool, out *console.Progress) (m backup.Manifest, err error) {
	state, err := s.observed(ctx)
	if err != nil {
		return m, err
	}
	server, release, err := s.postgres(ctx, state)
	if err != nil {
		return m, err
	}
	defer release()
	m = backup.Manifest{
		Project: s.project.File.ID, Tale: version.String(), Release: s.release("").version, Images: map[string]string{},
		Secret: backup.NewFingerprint(s.settings.Get("INSTANCE_SECRET")),
	}
	for _, service := range s.project.Services() {
		if c, there := state.Current(service.Name); there {
			m.Images[service.Name] = c.ImageID
		}
	}
	t := backup.Take{Engine: s.engine, Server: server, Manifest: m, Path: path, Recipients: recipients, Moves: moves(out)}
	convex, there := state.Current(stack.Convex)
	if there {
		t.Manifest.Release = cmp.Or(convex.Version, m.Release)
		if convex.State.Running {
			t.Convex = convex.ID
		}
		if convex.State.Restarting || convex.State.Status == "paused" {
			return m, exit.Errorf(exit.Temporary, "convex is %s, so that there is no moment to copy: look at `tale status`", convex.State.Status)
		}
	}
	if volume := s.project.File.ID + "_" + stack.ConvexData; !noFiles && slices.Contains(state.Volumes, volume) {
		t.Volume = volume
	} else if !noFiles {
		return m, exit.Errorf(exit.Config, "there is no volume %s to back up: `tale deploy` makes it", volume)
	}
	if s.settings.Get("S3_STORAGE_FILES_BUCKET") != "" {
		out.Say("note: files are in S3 and not part of the backup: it has to keep versions of its own")
	}
	if t.Files, err = s.projectFiles(len(recipients) > 0); err != nil {
		return m, err
	}
	s.removePartial(filepath.Dir(path))
	return t.Run(ctx)
}

// removePartial removes what killed backups have left in a folder under names that have
// a time, which no later one would take.
func (s *session) removePartial(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		name := entry.Name()
		ours := strings.HasPrefix(name, s.project.File.ID+"-") || folder == s.project.Path(snapshots)
		if ours && strings.HasSuffix(name, backup.Partial) {
			_ = os.Remove(filepath.Join(folder, name)) // it costs room, and nothing else
		}
	}
}

// projectFiles returns what of the project's folder belongs to a backup.
func (s *session) projectFiles(secrets bool) (map[string][]byte, error) {
	names := []string{project.FileName, "compose.override.yml"}
	if secrets {
		names = append(names, project.EnvName)
	}
	files := map[string][]byte{}
	for _, name := range names {
		text, err := project.ReadFile(filepath.Join(s.project.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot back up the project's files: %w", err)
		}
		files[name] = text
	}
	return files, nil
}

// postgres returns the server and a container that has its programs: the database's own,
// or one of the same image for a server elsewhere.
func (s *session) postgres(ctx context.Context, state rollout.State) (server backup.Server, release func(), err error) {
	server, release = backup.Server{Engine: s.engine, Project: s.project.File.ID}, func() {}
	if s.settings.Get("CONVEX_STORAGE") == stack.StorageSQLite {
		return server, release, nil // it is in the volume
	}
	if s.settings.Get("POSTGRES_URL") == "" {
		db, there := state.Current(stack.DB)
		if !there || !db.State.Running {
			return server, release, exit.Errorf(exit.Config, "the database does not run: `tale deploy` starts it")
		}
		server.Container = db.ID
		server.Environ = map[string]string{
			"PGUSER": cmp.Or(db.Environment["POSTGRES_USER"], s.settings.Get("DB_USER"), "tale"), "PGPASSWORD": s.settings.Get("DB_PASSWORD"),
		}
		return server, release, nil
	}
	return s.externalPostgres(ctx, state)
}

// externalPostgres borrows the programs of the release's database image, whose version
// should not be older than the server's.
func (s *session) externalPostgres(ctx context.Context, state rollout.State) (server backup.Server, release func(), err error) {
	settings := stack.Database{}
	if err := config.Load(&settings, s.settings.Environ()); err != nil {
		return server, nil, err
	}
	postgres, err := settings.Server()
	if err != nil {
		return server, nil, err
	}
	image := s.databaseImage()
	if _, found, err := s.engine.Image(ctx, image); err != nil || !found {
		return server, nil, cmp.Or(err, exit.Errorf(exit.Config, "pg_dump of the database at %s is needed, and the engine does not have %s: `docker pull %s` first", postgres.Address(), image, image))
	}
	network := s.project.File.ID + "_" + stack.Network
	if !slices.Contains(state.Networks, network) {
		network = "bridge"
	}
	password, _ := postgres.URL.User.Password()
	server.Engine, server.Project, server.Environ = s.engine, s.project.File.ID, map[string]string{
		"PGHOST": postgres.URL.Hostname(), "PGPORT": postgres.Port(), "PGUSER": postgres.URL.User.Username(), "PGPASSWORD": password, "PGSSLMODE": string(postgres.Mode),
	}
	if options := postgres.URL.Query().Get("options"); options != "" {
		server.Environ["PGOPTIONS"] = options
	}
	server.Container, release, err = s.engine.Lend(ctx, image, network, map[string]string{engine.LabelProject: s.project.File.ID})
	return server, release, err
}

// databaseImage returns the database image of the release, also where the project does
// without the service.
func (s *session) databaseImage() string {
	all := *s
	all.project = &project.Project{Dir: s.project.Dir, File: s.project.File}
	all.project.File.Services = nil
	return all.release("").images[stack.DB]
}

// moves tells how far something is: often on a terminal, now and then elsewhere.
func moves(out *console.Progress) func(stage string, bytes int64) {
	began, said, drawn, last := time.Now(), time.Now(), time.Time{}, ""
	return func(stage string, bytes int64) {
		if stage == last && time.Since(drawn) < 250*time.Millisecond {
			return
		}
		drawn = time.Now()
		text := ""
		if bytes > 0 && stage == last { // the first are a header's
			text = humanize.Bytes(uint64(bytes))
		}
		kind := rollout.Progress
		if stage != last && last != "" || time.Since(said) > 10*time.Second {
			kind, said = rollout.Waiting, time.Now()
		}
		last = stage
		out.Event(rollout.Event{Time: time.Now(), Kind: kind, Stage: stage, Text: text, Seconds: time.Since(began).Seconds()})
	}
}
