package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/session"
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
		Long: `Write the databases and the convex volume, as they are at one moment, to a file: all
databases of the project's own server, of one elsewhere (POSTGRES_URL) the stack's two. The
site goes on: convex stands still for the part of a second in which the last changes
are copied, and goes on by itself if this command is killed. The file is there when it
is whole and was read back. In a folder, here by default, it is ID-TIME.tar.

With --recipient or --passphrase it is encrypted by age and has .env, too. Otherwise it
has not: keep .env apart, because nothing can be restored without its INSTANCE_SECRET.
What the proxy keeps, volumes of other services (rag, crawler, your own), and files in S3
are not part of it: the last lines name them. --no-files leaves the convex volume out,
which is for looking at the data: it cannot be restored.

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
	session.WaitFlag(command, &o.wait)
	command.RunE = func(command *cobra.Command, args []string) error {
		path := ""
		if len(args) > 0 {
			path = args[0]
		}
		return a.backup(command, path, o)
	}
	return command
}

func (a *app) backup(command *cobra.Command, path string, o backupOptions) (err error) {
	if o.passphrase && len(o.recipients) > 0 {
		return exit.Errorf(exit.Usage, "--passphrase and --recipient exclude each other")
	}
	recipients, err := backup.Recipients(o.recipients, "")
	if err != nil {
		return err
	}
	out := a.Progress(command, o.quiet)
	defer out.Close()
	defer func() { err = out.End(err) }()
	if err := cli.CheckNewFile(backupFile(path, "", false, time.Time{})); err != nil {
		return fmt.Errorf("cannot write a backup: %w", err)
	}
	ctx, stop := console.Interruptible(command.Context(), func() { out.Interrupted("interrupted: the file is removed") },
		out.AtOnce("what was written so far is no backup, and stays as a file .partial; `"+session.CommandLine(command)+"` again makes a whole one, and removes that"))
	defer stop()
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	s, release, err := a.Locked(ctx, command, o.wait, out.Say, lost)
	if err != nil {
		return session.Interrupted(ctx, err)
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
	path = backupFile(path, s.Project.File.ID, len(recipients) > 0, began)
	m, err := takeBackup(ctx, s, path, recipients, o.noFiles, out)
	if err != nil {
		return out.Failed(session.Interrupted(ctx, err))
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

func (a *app) newPassphrase(ctx context.Context, command *cobra.Command) (string, error) {
	text, err := a.Prompter(command).NewSecret(ctx, "Passphrase of the backup")
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
