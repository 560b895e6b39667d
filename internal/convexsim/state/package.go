package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// keptPackages is how many packages of each definition stay for a finish_push
// that comes late.
const keptPackages = 3

// Package is the code of one definition as a push uploaded it. Only a
// finish_push that names its key activates it.
type Package struct {
	Key              string            `json:"key"`
	Definition       string            `json:"definition"` // definition path
	SHA256           string            `json:"sha256"`
	Modules          map[string]Module `json:"modules"`
	NodeVersion      string            `json:"nodeVersion,omitempty"`
	UDFServerVersion string            `json:"udfServerVersion,omitempty"`
}

// AddPackage stores a package, unless the same one is there already, and returns
// it with its key. The backend has packages as files beside its database, and so
// there is a file of each here, with nothing in it: who deletes it loses the
// package.
func (s *State) AddPackage(added Package) (Package, error) {
	added.SHA256 = added.digest()
	for i := len(s.Packages) - 1; i >= 0; i-- {
		if p := s.Packages[i]; p.Definition == added.Definition && p.SHA256 == added.SHA256 && !s.lost(p.Key) {
			return p, nil
		}
	}
	added.Key = s.NewID("package")
	s.Packages = append(s.Packages, added)
	s.forgetPackages(added.Definition)
	if err := os.MkdirAll(s.packageFolder, 0o755); err != nil {
		return Package{}, fmt.Errorf("cannot store a package: %w", err)
	}
	return added, atomicfile.WriteVolatile(s.packageFile(added.Key), nil, 0o600)
}

func (s *State) packageFile(key string) string {
	return filepath.Join(s.packageFolder, key+".blob")
}

func (s *State) lost(key string) bool {
	_, err := os.Stat(s.packageFile(key))
	return errors.Is(err, fs.ErrNotExist)
}

// CheckDeployed fails as the backend does when it has lost the active package of a
// definition: to its log alone it says which
// (crates/model/src/source_packages/upload_download.rs).
func (s *State) CheckDeployed(definition string) error {
	key, deployed := s.Deployed[definition]
	if !deployed || !s.lost(key) {
		return nil
	}
	failure := protocol.InternalError()
	failure.Logged = fmt.Sprintf("Src Pkg storage key not found?? ObjectKey(%q)", key)
	return failure
}

func (s *State) forgetPackages(definition string) {
	kept := 0
	for i := len(s.Packages) - 1; i >= 0; i-- {
		if s.Packages[i].Definition != definition {
			continue
		}
		if kept++; kept > keptPackages {
			s.Packages = slices.Delete(s.Packages, i, i+1)
		}
	}
}

// PackageByKey returns the package that a finish_push names.
func (s *State) PackageByKey(key string) (Package, bool) {
	i := slices.IndexFunc(s.Packages, func(p Package) bool { return p.Key == key })
	if i < 0 || s.lost(key) {
		return Package{}, false
	}
	return s.Packages[i], true
}

// digest returns a hash over everything in the package.
func (p Package) digest() string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %s\n", p.NodeVersion, p.UDFServerVersion)
	for _, modulePath := range slices.Sorted(maps.Keys(p.Modules)) {
		module := p.Modules[modulePath]
		_, _ = fmt.Fprintf(sum, "%s %s %s\n", modulePath, module.Environment, module.SHA256)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
