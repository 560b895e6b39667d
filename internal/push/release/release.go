// Package release compares releases of the convex npm package.
package release

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is a release of the convex npm package, without a pre-release tag.
type Version [3]int

// Parse reads a version as package.json has it, "1.35.1" or "1.36.0-alpha.1".
func Parse(text string) (Version, error) {
	release, _, _ := strings.Cut(text, "-")
	parts := strings.Split(release, ".")
	var v Version
	if len(parts) != len(v) {
		return v, fmt.Errorf("%q is not a version of the convex package", text)
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, fmt.Errorf("%q is not a version of the convex package", text)
		}
		v[i] = n
	}
	return v, nil
}

// Before reports whether v is older.
func (v Version) Before(other Version) bool { return slices.Compare(v[:], other[:]) < 0 }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
