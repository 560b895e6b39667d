// Package version tells which build of tale-runtime this is.
package version

import "runtime/debug"

// release is set by the linker (-X …/internal/version.release=v1.2.3); it is a
// variable because the linker can set nothing else.
var release string

// String returns the release the binary was built as, the commit when it was
// built from a checkout without one, or "dev".
func String() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
				return "dev-" + setting.Value[:12]
			}
		}
	}
	return "dev"
}
