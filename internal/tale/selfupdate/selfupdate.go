// Package selfupdate replaces the tale program by that of another release: it finds the
// release, verifies what it downloads before that can be executed, and puts it in place in
// one step. What a release consists of is here, too (Manifest, Sign), so that what makes
// one and what takes one agree. It knows nothing of projects and their stacks.
package selfupdate

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// Options say what is to be replaced, and by what.
type Options struct {
	Environ  config.Environ       // proxies, tokens, TALE_RELEASES_URL
	Version  string               // of the program now
	Program  string               // its file; default: that of this process
	Platform Platform             // default: that of this process
	Keys     []minisign.PublicKey // whose signatures are believed
	Want     string               // version to change to; default: the newest
	File     string               // a downloaded program to change to; its signature lies beside it
	Force    bool                 // also to the version that is there, and over a package manager's file
	Progress func(arrived, size int64)

	// Of tests, whose server is near, not GitHub, and its own authority.
	stall, pause time.Duration
	tokenFor     string
	roots        *x509.CertPool
}

// Plan is what an upgrade will do.
type Plan struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Path    string   `json:"path"`
	Changes bool     `json:"changes"`        // whether there is something to do
	Skipped []string `json:"skipped"`        // newer releases, and why none of them is it
	Size    int64    `json:"size,omitempty"` // bytes to download
	Notes   []string `json:"notes"`

	options Options
	place   *place
	source  *source
	file    File
}

// NewPlan finds out what to do, and whether it can be done. It changes nothing.
func NewPlan(ctx context.Context, o Options) (*Plan, error) {
	if o.Platform == (Platform{}) {
		o.Platform = Platform{runtime.GOOS, runtime.GOARCH}
	}
	o.Want, o.Version = strings.TrimPrefix(o.Want, "v"), strings.TrimPrefix(o.Version, "v")
	if o.Want != "" && !release.MatchString(o.Want) {
		return nil, exit.Errorf(exit.Usage, "--version is %q: give a release, as 1.2.3 or v1.2.3", o.Want)
	}
	place, err := find(o.Program)
	if err != nil {
		return nil, err
	}
	p := &Plan{From: o.Version, Path: place.path, Skipped: []string{}, Notes: []string{}, options: o, place: place}
	if o.File != "" {
		err = p.fromFile()
	} else {
		err = p.fromSource(ctx)
	}
	if err != nil {
		return nil, err
	}
	p.decide()
	if !p.Changes {
		return p, nil
	}
	return p, p.allowed(ctx)
}

func (p *Plan) fromSource(ctx context.Context) (err error) {
	if p.source, err = newSource(p.options); err != nil {
		return err
	}
	var m *Manifest
	if p.options.Want != "" {
		m, err = p.source.named(ctx, p.options, p.options.Want)
	} else {
		m, p.Skipped, err = p.source.newest(ctx, p.options)
	}
	if err != nil {
		return err
	}
	if p.file, err = m.program(p.options.Platform); err != nil {
		return err
	}
	p.To, p.Size = m.Version, p.file.Size
	return nil
}

// fromFile takes version and name from the signature, which is verified with the file.
func (p *Plan) fromFile() error {
	signature, err := os.ReadFile(p.options.File + SignatureName)
	if errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.Usage, "cannot verify %s: its signature has to lie beside it, as %s", p.options.File, p.options.File+SignatureName)
	}
	if err != nil {
		return exit.With(exit.Usage, fmt.Errorf("cannot verify %s: %w", p.options.File, err))
	}
	parsed, err := parseSignature(p.options.File, signature)
	if err != nil {
		return err
	}
	words := strings.Fields(parsed.TrustedComment)
	if len(words) != 3 || !release.MatchString(words[1]) {
		return refused("the signature of %s is of %q", p.options.File, parsed.TrustedComment)
	}
	machine := p.options.Platform
	if words[2] != machine.Name() && (words[2] != machine.Alias() || words[2] == "") {
		return refused("%s is %s, and this machine needs %s", p.options.File, words[2], machine.Name())
	}
	p.To, p.file.Name = words[1], words[2]
	if want := p.options.Want; want != "" && want != p.To {
		return refused("%s is version %s, and not %s", p.options.File, p.To, want)
	}
	file, err := os.Open(p.options.File)
	if err != nil {
		return exit.With(exit.Usage, fmt.Errorf("cannot verify %s: %w", p.options.File, err))
	}
	defer file.Close()
	p.file.SHA256, err = Verify(p.options.Keys, p.To, p.file.Name, file, signature)
	return err
}

// decide decides whether the version is changed: to an older one only on request.
func (p *Plan) decide() {
	o := p.options
	back := older(p.To, p.From)
	switch {
	case p.To == p.From:
		p.Changes = o.Force
	case back && o.Want == "":
		p.Notes = append(p.Notes, fmt.Sprintf("%s is older than %s, which is there: to change to it say so with --version %s", p.To, p.From, p.To))
	default:
		p.Changes = true
	}
	if !p.Changes {
		return
	}
	if back {
		p.Notes = append(p.Notes, "back to an older release: data and schemas do not go back with it")
	}
	if back && older(p.To, DataReadableFrom) {
		p.Notes = append(p.Notes, fmt.Sprintf("%s cannot read the data that %s has written; the oldest release that can is %s", p.To, p.From, DataReadableFrom))
	}
	if inContainer() {
		p.Notes = append(p.Notes, "this is a container: what is installed in it ends with it")
	}
}

// allowed returns why the program must not be replaced.
func (p *Plan) allowed(ctx context.Context) error {
	if owner := p.place.owner(ctx); owner != "" && !p.options.Force {
		return exit.Errorf(exit.Config, "%s was installed by %s, which would not know of it: upgrade it by that, or replace it all the same with --force", p.Path, owner)
	}
	again := "tale upgrade --version " + p.To
	if p.options.File != "" {
		again += " --file " + p.options.File
	}
	return p.place.writable(again)
}

// Carry carries the plan out, and returns where the program is that was replaced.
func (p *Plan) Carry(ctx context.Context) (kept string, err error) {
	var signature []byte
	if p.source != nil {
		signature, err = p.source.bytes(ctx, p.source.address(p.To, p.file.Name+SignatureName), maxSignature)
	} else {
		signature, err = os.ReadFile(p.options.File + SignatureName)
	}
	if err != nil {
		return "", err
	}
	err = p.place.install(ctx, p.To, func(into *os.File) error { return p.fill(ctx, into) }, func(file io.Reader) error {
		digest, err := Verify(p.options.Keys, p.To, p.file.Name, file, signature)
		if err == nil && digest != p.file.SHA256 {
			err = refused("%s has the SHA-256 %s, and not %s as %s says", p.file.Name, digest, p.file.SHA256, ManifestName)
		}
		return err
	})
	return p.place.kept(), err
}

// fill brings the new program into a file.
func (p *Plan) fill(ctx context.Context, into *os.File) error {
	if p.source != nil {
		return p.source.file(ctx, p.source.address(p.To, p.file.Name), p.file.Size, into, func(arrived int64) {
			p.options.Progress(arrived, p.file.Size)
		})
	}
	from, err := os.Open(p.options.File)
	if err != nil {
		return fmt.Errorf("cannot read the new program: %w", err)
	}
	defer from.Close()
	if _, err = io.Copy(into, from); err != nil {
		return fmt.Errorf("cannot copy %s: %w", p.options.File, err)
	}
	return nil
}
