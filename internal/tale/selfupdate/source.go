package selfupdate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	// Repository is where releases are published.
	Repository = "tale-project/tale"
	releases   = "https://github.com/" + Repository + "/releases"
	apiOrigin  = "https://api.github.com"
	list       = apiOrigin + "/repos/" + Repository + "/releases?per_page=30"
	// listName is the list in a copy of the releases on another server.
	listName = "releases.json"
	maxList  = 16 << 20
	// looked is how many releases are looked into for a complete one.
	looked = 8
)

// source is where the files of releases are.
type source struct {
	*client
	base string
	list string
}

// newSource returns GitHub, or the copy that TALE_RELEASES_URL names.
func newSource(o Options) (*source, error) {
	s := &source{client: newClient(o), base: releases, list: list}
	if mirror := strings.TrimRight(o.Environ["TALE_RELEASES_URL"], "/"); mirror != "" {
		u, err := url.Parse(mirror)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
			return nil, exit.Errorf(exit.Config, "TALE_RELEASES_URL is not the http or https URL of a folder with copies of releases")
		}
		s.base, s.list = mirror, mirror+"/"+listName
	}
	return s, nil
}

// address returns where a file of a release is.
func (s *source) address(version, name string) string {
	return s.base + "/download/v" + version + "/" + name
}

// manifest returns what a release consists of, by its signature.
func (s *source) manifest(ctx context.Context, o Options, version string) (*Manifest, error) {
	text, err := s.bytes(ctx, s.address(version, ManifestName), maxManifest)
	if err != nil {
		return nil, err
	}
	signature, err := s.bytes(ctx, s.address(version, ManifestName+SignatureName), maxSignature)
	if err != nil {
		return nil, err
	}
	if _, err := Verify(o.Keys, version, ManifestName, bytes.NewReader(text), signature); err != nil {
		return nil, err
	}
	return parseManifest(text, version)
}

// named returns the release of that version.
func (s *source) named(ctx context.Context, o Options, version string) (*Manifest, error) {
	m, err := s.manifest(ctx, o, version)
	if status := (*statusError)(nil); errors.As(err, &status) && status.status == http.StatusNotFound {
		return nil, exit.Errorf(exit.Unavailable, "there is no release %s that can be verified: %w; the releases are on %s", version, err, redacted(s.base))
	}
	return m, err
}

// listed is a release as GitHub lists it.
type listed struct {
	Tag        string `json:"tag_name"`
	Draft      bool   `json:"draft"`
	Prerelease bool   `json:"prerelease"`
	Assets     []struct {
		Name  string `json:"name"`
		Size  int64  `json:"size"`
		State string `json:"state"`
	} `json:"assets"`

	version *semver.Version
}

// newest returns the newest release that is complete, and what is wrong with those that
// are newer.
func (s *source) newest(ctx context.Context, o Options) (m *Manifest, skipped []string, err error) {
	text, err := s.bytes(ctx, s.list, maxList)
	if err != nil {
		return nil, nil, err
	}
	var all []listed
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, nil, exit.Errorf(exit.Unavailable, "%s is no list of releases: %w%s", redacted(s.list), err, webPage(text))
	}
	all = slices.DeleteFunc(all, func(l listed) bool { return l.Draft })
	for i := range all {
		// What is not tagged v1.2.3 is no release of tale, and stays nil.
		all[i].version, _ = semver.StrictNewVersion(strings.TrimPrefix(all[i].Tag, "v"))
	}
	all = slices.DeleteFunc(all, func(l listed) bool { return l.version == nil })
	slices.SortFunc(all, func(a, b listed) int { return b.version.Compare(a.version) })
	for _, l := range all[:min(len(all), looked)] {
		m, lacks, err := s.complete(ctx, o, l)
		switch {
		case err != nil:
			return nil, skipped, err
		case lacks == "":
			return m, skipped, nil
		}
		skipped = append(skipped, l.version.String()+" "+lacks)
	}
	return nil, skipped, exit.Errorf(exit.Unavailable, "none of the newest releases on %s is complete: %s", redacted(s.base), cmp.Or(strings.Join(skipped, "; "), "there are none"))
}

// complete returns what a listed release consists of, or what it lacks.
func (s *source) complete(ctx context.Context, o Options, l listed) (m *Manifest, lacks string, err error) {
	if l.Prerelease || l.version.Prerelease() != "" {
		return nil, "is a prerelease", nil
	}
	sizes := map[string]int64{}
	for _, asset := range l.Assets {
		if asset.State == "" || asset.State == "uploaded" {
			sizes[asset.Name] = asset.Size
		}
	}
	for _, name := range []string{ManifestName, ManifestName + SignatureName} {
		if _, there := sizes[name]; !there {
			return nil, "has no " + name, nil
		}
	}
	if m, err = s.manifest(ctx, o, l.version.String()); err != nil {
		return nil, "", err
	}
	for _, name := range m.Names() {
		if _, there := sizes[name]; !there {
			return nil, "has no " + name, nil
		}
	}
	for _, f := range m.Files {
		if sizes[f.Name] != f.Size {
			return nil, fmt.Sprintf("has %d of %d bytes of %s", sizes[f.Name], f.Size, f.Name), nil
		}
	}
	return m, "", nil
}
