// Package publish makes the files of a release from the programs that were built: the
// manifest, the checksums, and a signature of each, by the keys that tale upgrade believes
// and with its own code. It uploads nothing.
package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
)

// settings are what signs.
type settings struct {
	Key      config.Secret `env:"MINISIGN_SECRET_KEY,required" secret:"true" tier:"operator" doc:"The secret key, as the file that minisign -G makes." accept:"the text of such a file"`
	Password config.Secret `env:"MINISIGN_PASSWORD" secret:"true" tier:"operator" doc:"Its password." accept:"empty for a key that has none"`
}

// Command returns the command line of the program release.
func Command(environ config.Environ) *cobra.Command {
	root := &cobra.Command{
		Use: "release", Short: "Make a release of tale",
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.AddCommand(keysCommand(), packCommand(environ))
	return cli.Manual{Page: "docs/releasing.md"}.For(root)
}

func keysCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "keys",
		Short:   "Print the public keys that a release is built with, or fail if it has none",
		Long:    "Print the public keys that a release is built with, or fail if it has none." + cli.Ends("0 done", exit.Config),
		Example: "  release keys",
		RunE: func(command *cobra.Command, _ []string) error {
			keys, err := selfupdate.Keys()
			for _, key := range keys {
				command.Println(key)
			}
			return err
		},
	}
}

func packCommand(environ config.Environ) *cobra.Command {
	var r Release
	var images string
	command := &cobra.Command{
		Use:     "pack DIR",
		Short:   "Add manifest, checksums and signatures to the programs in a folder",
		Long:    "Add the manifest, the checksums and a signature of each to the programs in a folder." + cli.Ends("0 done", exit.Config),
		Example: "  release pack --version 1.2.3 --images digests dist",
		Args:    cobra.ExactArgs(1),
	}
	flags := command.Flags()
	flags.StringVar(&r.Version, "version", "", "of the release, as `1.2.3`")
	flags.StringVar(&r.Commit, "commit", "", "that it is made of")
	flags.StringVar(&images, "images", "", "a `FOLDER` with a file for each service: the reference of its image, with digest")
	command.RunE = func(_ *cobra.Command, args []string) (err error) {
		var s settings
		if err := config.Load(&s, environ); err != nil {
			return exit.With(exit.Config, err)
		}
		if here := environ["GITHUB_REPOSITORY"]; here != "" && here != selfupdate.Repository {
			return exit.Errorf(exit.Config, "cannot make a release in %s: tale upgrade looks for it in %s, which source.go and scripts/install-cli.sh name", here, selfupdate.Repository)
		}
		if r.Keys, err = selfupdate.Keys(); err != nil {
			return err
		}
		if r.Secret, err = secretKey(s); err != nil {
			return exit.With(exit.Config, err)
		}
		if r.Images, err = readImages(images); err != nil {
			return err
		}
		return r.Pack(args[0])
	}
	return cli.Manual{Reads: cli.Reading(settings{})}.For(command)
}

func secretKey(s settings) (key minisign.PrivateKey, err error) {
	text := []byte(s.Key.Reveal())
	if minisign.IsEncrypted(text) {
		key, err = minisign.DecryptKey(s.Password.Reveal(), text)
	} else {
		err = key.UnmarshalText(text)
	}
	if err != nil {
		err = fmt.Errorf("cannot use MINISIGN_SECRET_KEY: %w", err) // says nothing of the key
	}
	return key, err
}

func readImages(folder string) (map[string]string, error) {
	if folder == "" {
		return nil, nil
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("cannot read the digests of images: %w", err)
	}
	images := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("cannot read the digest of an image: %w", err)
		}
		images[file.Name()] = strings.TrimSpace(string(text))
	}
	return images, nil
}
