package push

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cliVersion is a release of the convex npm package, without a pre-release tag.
type cliVersion [3]int

func parseCLIVersion(text string) (cliVersion, error) {
	release, _, _ := strings.Cut(text, "-")
	parts := strings.Split(release, ".")
	var v cliVersion
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

func (v cliVersion) before(other cliVersion) bool { return slices.Compare(v[:], other[:]) < 0 }

func (v cliVersion) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
