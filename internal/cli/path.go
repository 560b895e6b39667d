package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// CheckValues refuses flags and arguments that are empty, which a script makes of a variable
// that is not set and would do what is done without them, and flags of FileVar and
// FolderVar that name none. It is a PersistentPreRunE.
func CheckValues(command *cobra.Command, args []string) (err error) {
	if slices.Contains([]string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, command.CalledAs()) {
		return nil // what is not typed yet is empty
	}
	command.Flags().Visit(func(flag *pflag.Flag) {
		if slices.Contains([]string{"", "[]", `[""]`}, flag.Value.String()) {
			err = emptyFlag(flag.Name)
		} else if path, is := flag.Value.(path); is && err == nil {
			if err = path.check(*path.text); err != nil {
				err = fmt.Errorf("cannot use --%s: %w", flag.Name, err)
			}
		}
	})
	if err == nil && slices.Contains(args, "") {
		err = errors.New("an argument is empty: give it a value, or leave it out")
	}
	if err == nil {
		return nil
	}
	code := exit.Usage
	if exit.Code(err) != exit.Failure {
		code = exit.Code(err)
	}
	return exit.Errorf(code, "%w; see '%s --help'", err, command.CommandPath())
}

func emptyFlag(name string) error {
	return fmt.Errorf("--%s is empty: give it a value, or leave it out", name)
}

// FileVar defines a flag that names a file to read.
func FileVar(flags *pflag.FlagSet, text *string, name, usage string) {
	flags.Var(path{text, CheckFile}, name, usage)
}

// FolderVar defines one that names a folder.
func FolderVar(flags *pflag.FlagSet, text *string, name, usage string) {
	flags.Var(path{text, CheckFolder}, name, usage)
}

// path is the value of such a flag.
type path struct {
	text  *string
	check func(path string) error
}

func (path) Type() string { return "path" }

func (p path) String() string {
	if p.text == nil {
		return "" // pflag makes one of nothing
	}
	return *p.text
}

func (p path) Set(text string) error {
	*p.text = text
	return nil
}

// CheckFile returns why a path that the command line names is no file that can be read.
func CheckFile(path string) error { return check(path, "file", "folder", unix.R_OK) }

// CheckFolder returns why a path is no folder that can be read.
func CheckFolder(path string) error { return check(path, "folder", "file", unix.R_OK|unix.X_OK) }

func check(path, wanted, other string, rights uint32) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir() != (wanted == "folder"):
		return exit.Errorf(exit.Usage, "%s is a %s, where a %s is wanted", path, other, wanted)
	case err != nil:
		return unusable(wanted, path, err)
	}
	return unusable(wanted, path, unix.Access(path, rights))
}

// CheckNewFile returns why a file of that path cannot be made, or must not: a device or a
// pipe would be replaced by it.
func CheckNewFile(path string) error {
	info, err := os.Stat(path)
	_, notALink := os.Readlink(path)
	switch {
	case err == nil && info.IsDir():
		return exit.Errorf(exit.Usage, "%s is a folder, where a file is wanted", path)
	case err == nil && !info.Mode().IsRegular():
		return exit.Errorf(exit.Usage, "%s is no regular file, and would be replaced by one: name another", path)
	case err != nil && notALink == nil:
		return exit.Errorf(exit.Usage, "%s is a link that leads nowhere: remove it, or make what it leads to", path)
	case path == "-":
		return exit.Errorf(exit.Usage, "- is no file: name one, as ./- if that is its name")
	}
	folder := filepath.Dir(path)
	if err := CheckFolder(folder); err != nil {
		return err
	}
	if unix.Access(folder, unix.W_OK) != nil {
		return exit.Errorf(exit.NoPermission, "this user may not write into the folder %s", folder)
	}
	return nil
}

// CheckNewFolder returns why there can be no folder of that path, which may be there
// already.
func CheckNewFolder(path string) error {
	for path, err := filepath.Abs(path); err == nil; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return exit.Errorf(exit.Usage, "%s is a file, where a folder is wanted", path)
		case err == nil, !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
			return nil
		}
	}
	return nil
}

func unusable(kind, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return exit.Errorf(exit.NoPermission, "this user may not read the %s %s", kind, path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return exit.Errorf(exit.Usage, "there is no %s %s", kind, path)
	}
	return exit.With(exit.Usage, err)
}
