package protocol

import (
	"net/http"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// lastUnsupported returns the newest release of each client that the backend
// refuses (crates/common/deprecation.json). Clients it does not know may have
// any version.
func lastUnsupported(client string) (version, advice string) {
	switch client {
	case "npm-cli", "npm", "actions":
		return "0.19.1", "Update your Convex npm version with `npx convex update` or `npm update`."
	case "python-convex", "python":
		return "0.0.2", "Update your Convex python version with `pip install --upgrade convex`."
	case "rust":
		return "0.0.1", "Update your Convex rust version with `cargo update -p convex` or by updating `Cargo.toml`."
	}
	return "", ""
}

// CheckClient applies the rules of the Convex-Client header, "name-version". A
// WebSocket cannot send it and has its version in the path: inPath.
func CheckClient(r *http.Request, inPath string) error {
	header := r.Header.Get("Convex-Client")
	if header == "" {
		if inPath == "" {
			return nil
		}
		if _, err := semver.StrictNewVersion(inPath); err != nil {
			return BadRequest("InvalidClientVersion", "Failed to parse client version: %v", err)
		}
		header = "npm-" + inPath
	}
	parts := strings.Split(header, "-")
	if len(parts) < 2 {
		return BadRequest("InvalidClientVersion",
			"Failed to parse client version string: '%s'. Expected format is {client_name}-{semver}, e.g. my-esolang-client-0.0.1", header)
	}
	client, version := splitClient(parts)
	threshold, advice := lastUnsupported(strings.ToLower(client))
	if threshold == "" {
		return nil
	}
	if parsed, err := semver.StrictNewVersion(version); err == nil && parsed.GreaterThan(semver.MustParse(threshold)) {
		return nil
	}
	f := BadRequest("ClientVersionUnsupported",
		"The Convex %s package at version %s is no longer supported. %s", client, version, advice)
	f.Header = http.Header{}
	f.Header.Set("x-convex-deprecation-state", "Unsupported")
	f.Header.Set("x-convex-deprecation-message", f.Message)
	return f
}

// splitClient takes the longest semantic version from the right: client names
// and versions both may contain dashes.
func splitClient(parts []string) (client, version string) {
	for n := 1; n < len(parts); n++ {
		version = strings.Join(parts[n:], "-")
		if _, err := semver.StrictNewVersion(version); err == nil {
			return strings.Join(parts[:n], "-"), version
		}
	}
	return parts[0], strings.Join(parts[1:], "-")
}
