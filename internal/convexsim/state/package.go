package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
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
// it with its key.
func (s *State) AddPackage(added Package) Package {
	added.SHA256 = added.digest()
	for i := len(s.Packages) - 1; i >= 0; i-- {
		if p := s.Packages[i]; p.Definition == added.Definition && p.SHA256 == added.SHA256 {
			return p
		}
	}
	added.Key = s.NewID("package")
	s.Packages = append(s.Packages, added)
	s.forgetPackages(added.Definition)
	return added
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
	if i < 0 {
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
