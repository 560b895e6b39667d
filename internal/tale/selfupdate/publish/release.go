package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
)

// Release is what a release is made from, besides its programs.
type Release struct {
	Version string
	Commit  string
	Images  map[string]string
	Secret  minisign.PrivateKey
	Keys    []minisign.PublicKey // that the programs were built with
}

var digested = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// Pack adds to the programs in a folder all that a release consists of besides them.
func (r Release) Pack(folder string) error {
	if err := r.check(); err != nil {
		return exit.With(exit.Config, err)
	}
	manifest := selfupdate.NewManifest(r.Version)
	manifest.Commit, manifest.Images = r.Commit, r.Images
	var sums strings.Builder
	for _, platform := range selfupdate.Platforms() {
		text, err := os.ReadFile(filepath.Join(folder, platform.Name()))
		if err != nil {
			return fmt.Errorf("cannot make a release without the program for %s on %s: %w", platform.OS, platform.Arch, err)
		}
		digest := sha256.Sum256(text)
		file := selfupdate.File{OS: platform.OS, Arch: platform.Arch, Size: int64(len(text)), SHA256: hex.EncodeToString(digest[:])}
		for _, file.Name = range []string{platform.Name(), platform.Alias()} {
			if file.Name == "" {
				continue
			}
			manifest.Files = append(manifest.Files, file)
			fmt.Fprintf(&sums, "%s  %s\n", file.SHA256, file.Name)
			if err := r.write(folder, file.Name, text); err != nil {
				return err
			}
		}
	}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := r.write(folder, selfupdate.ManifestName, append(text, '\n')); err != nil {
		return err
	}
	return r.write(folder, selfupdate.SumsName, []byte(sums.String()))
}

func (r Release) check() error {
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(r.Version) {
		return fmt.Errorf("cannot make release %q: give a version as 1.2.3", r.Version)
	}
	for service, image := range r.Images {
		if !digested.MatchString(image) {
			return fmt.Errorf("cannot make release %s: the image of %s is %q, without a digest", r.Version, service, image)
		}
	}
	for _, key := range r.Keys {
		if key.Equal(r.Secret.Public()) {
			return nil
		}
	}
	return fmt.Errorf("cannot make release %s: the secret key belongs to none of the keys that the programs are built with", r.Version)
}

// write writes a file and its signature, which it verifies as an upgrade will.
func (r Release) write(folder, name string, text []byte) error {
	signature, err := selfupdate.Sign(r.Secret, r.Version, name, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if _, err := selfupdate.Verify(r.Keys, r.Version, name, bytes.NewReader(text), signature); err != nil {
		return err
	}
	// They are published, so that everybody may read them.
	for name, text := range map[string][]byte{name: text, name + selfupdate.SignatureName: signature} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil { //nolint:gosec // see above
			return fmt.Errorf("cannot write a file of the release: %w", err)
		}
	}
	return nil
}
