package official

import "fmt"

// releases is where the project publishes its builds.
const releases = "https://github.com/get-convex/convex-backend/releases/download/"

// release is a published build: an archive for each kind of machine, with its
// SHA-256 as the page of the release shows it.
type release struct {
	tag      string
	archives map[string]archive // by GOOS/GOARCH
}

type archive struct{ target, sha256 string }

// pinned returns the release that is downloaded. To change it, copy the tag and the
// four digests from the page of the new one.
func pinned() release {
	return release{"precompiled-2026-08-25-7cce8fb", map[string]archive{
		"linux/amd64":  {"x86_64-unknown-linux-gnu", "470250263fcf6c71b931219550c3705d9ab03d79c3b1e1e8364465c2b44eff9f"},
		"linux/arm64":  {"aarch64-unknown-linux-gnu", "a0601ec584fe9f514c473af6d57a4c209e4d2d775e4ac1b5d1b90bafd85b7e2f"},
		"darwin/amd64": {"x86_64-apple-darwin", "d142472d996f08907cd9fdf61cc154c36edee3039342f45fdd925cefedabea29"},
		"darwin/arm64": {"aarch64-apple-darwin", "98831b0f511f6eed70b0b4dfca62015df57877e08017d2b2979b39d62ae7317b"},
	}}
}

func (r release) url(base string, a archive) string {
	return fmt.Sprintf("%s%s/convex-local-backend-%s.zip", base, r.tag, a.target)
}
