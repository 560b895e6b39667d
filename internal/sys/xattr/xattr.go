// Package xattr knows which extended attributes a copy of a file can have.
package xattr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// Travels reports whether an extended attribute belongs to a file, wherever it lies. The others
// belong to the place: labels of security modules, which the kernel lets no helper set, and
// what a file system of another kind does not have, such as the ACLs of NFSv4.
func Travels(name string) bool {
	switch name {
	case "security.capability", "system.posix_acl_access", "system.posix_acl_default":
		return true
	}
	return strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "trusted.")
}

// given are those that a machine gives to files by itself, and to a copy anew.
var given = []string{"security.selinux", "security.ima", "security.evm"}

// Left counts files with attributes that do not travel, by the names of these.
type Left map[string]int64

// Add counts a file with an attribute.
func (l Left) Add(name string) {
	if !Travels(name) && !slices.Contains(given, name) {
		l[name]++
	}
}

// String names them all, "" for none.
func (l Left) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		list = append(list, fmt.Sprintf("%s of %s", name, humanize.Comma(l[name])))
	}
	if len(list) == 0 {
		return ""
	}
	return "extended attributes of files: " + strings.Join(list, ", ")
}
