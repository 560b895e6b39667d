package selfupdate

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/Masterminds/semver/v3"
)

// Names of the files of a release besides those that it lists.
const (
	ManifestName  = "release.json"
	SumsName      = "SHA256SUMS"
	SignatureName = ".minisig" // behind that of the file
)

// manifestFormat changes when a tale that knows only the format before it cannot go on.
const manifestFormat = 1

// DataReadableFrom is the oldest release that can read the data that this one writes. A
// release that writes what older ones cannot read raises it. 0.2.34 was the first to
// look for the data of the backend in the volume where it is.
const DataReadableFrom = "0.2.34"

// Manifest is release.json: what a release consists of.
type Manifest struct {
	Format           int               `json:"format"`
	Version          string            `json:"version"`
	DataReadableFrom string            `json:"dataReadableFrom"`
	Commit           string            `json:"commit,omitempty"`
	Images           map[string]string `json:"images,omitempty"` // reference with digest, by service
	Files            []File            `json:"files"`
}

// File is a program for one kind of machine.
type File struct {
	Name   string `json:"name"`
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// NewManifest returns the manifest of a release without its files.
func NewManifest(version string) *Manifest {
	return &Manifest{Format: manifestFormat, Version: version, DataReadableFrom: DataReadableFrom}
}

// Platform is a kind of machine that tale is built for.
type Platform struct{ OS, Arch string }

// Platforms returns all of them.
func Platforms() []Platform {
	return []Platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
}

// Name returns the name of the program in a release.
func (p Platform) Name() string { return "tale_" + p.OS + "_" + p.Arch }

// Alias returns the name that the program had before there was more than one kind for a
// system; downloads by hand go by it. It is "" for the others.
func (p Platform) Alias() string {
	return map[Platform]string{{"linux", "amd64"}: "tale_linux", {"darwin", "arm64"}: "tale_macos"}[p]
}

const (
	maxManifest = 1 << 20
	maxProgram  = 256 << 20
)

var (
	release  = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`)
	fileName = regexp.MustCompile(`^[a-z0-9_]+$`)
	sha256ed = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// parseManifest returns a manifest whose signature was verified.
func parseManifest(text []byte, version string) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, refused("%s of %s cannot be read: %w", ManifestName, version, err)
	}
	if m.Format != manifestFormat {
		return nil, refused("%s of %s has format %d, and this tale knows %d: install that release by its script", ManifestName, version, m.Format, manifestFormat)
	}
	if m.Version != version {
		return nil, refused("%s of %s is of %q", ManifestName, version, m.Version)
	}
	for _, f := range m.Files {
		if !fileName.MatchString(f.Name) || f.Size <= 0 || f.Size > maxProgram || !sha256ed.MatchString(f.SHA256) {
			return nil, refused("%s of %s has a file without name, size or digest: %+v", ManifestName, version, f)
		}
	}
	return m, nil
}

// program returns the file for a kind of machine.
func (m *Manifest) program(p Platform) (File, error) {
	for _, f := range m.Files {
		if f.Name == p.Name() && f.OS == p.OS && f.Arch == p.Arch {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("release %s has no %s: there is none for %s on %s", m.Version, p.Name(), p.OS, p.Arch)
}

// Names returns all files that the release consists of.
func (m *Manifest) Names() []string {
	names := []string{ManifestName, ManifestName + SignatureName, SumsName, SumsName + SignatureName}
	for _, f := range m.Files {
		names = append(names, f.Name, f.Name+SignatureName)
	}
	return names
}

// older reports whether a release is older than another. A build of no release is older
// than each of them.
func older(version, than string) bool {
	a, err := semver.StrictNewVersion(version)
	if err != nil || !release.MatchString(version) {
		return release.MatchString(than)
	}
	b, err := semver.StrictNewVersion(than)
	return err == nil && a.LessThan(b)
}
