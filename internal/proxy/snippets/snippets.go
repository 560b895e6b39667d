// Package snippets makes routes of the operator's own files: Caddyfile directives as
// they stand inside a site block.
//
// It refuses what a file can say about anything but requests, and names the file and
// the line. Where the routes stand among others is not its concern.
package snippets

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Load returns the routes of every *.caddy file in dir, in the order of their
// names. Each holds Caddyfile directives as they stand inside a site block. A
// folder that does not exist holds none. The error is a config.Problems with
// every file that cannot be used.
func Load(dir string) (caddyhttp.RouteList, error) {
	files, _, err := List(dir)
	if err != nil {
		return nil, err
	}
	var routes caddyhttp.RouteList
	var problems config.Problems
	for _, file := range files {
		adapted, err := adapt(file)
		if err == nil {
			var found caddyhttp.RouteList
			found, err = routesOf(adapted)
			routes = append(routes, found...)
		}
		if err != nil {
			problems = append(problems, config.Problem{Variable: "PROXY_SITE_DIR", Wrong: "has a file that cannot be used: " + naming(file, config.ExplainUnreadable(file, err)).Error(),
				Accepted: "directives of a Caddyfile as they stand inside a site block, without its address and without global options; another host name is a matter of EXTRA_SITES",
				Fix:      "correct " + file + ", or take it out of the folder; then: " + place.Here().Restart("proxy")})
		}
	}
	return routes, problems.Err()
}

// naming returns the error with the file's name.
func naming(file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}

// List returns the *.caddy files of a folder, and those that are left out, each with
// the reason: hidden ones, which macOS and editors put beside others, and
// what holds nothing to read.
func List(dir string) (files, leftOut []string, err error) {
	if dir == "" {
		return nil, nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, config.Problems{{Variable: "PROXY_SITE_DIR", Wrong: "cannot be read: " + err.Error(), Accepted: "a folder with *.caddy files"}}
	}
	if dir, err = filepath.Abs(dir); err != nil { // the adapter's base is not ours
		return nil, nil, err
	}
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if filepath.Ext(file) != ".caddy" {
			if isMeant(entry) {
				leftOut = append(leftOut, file+" has a name that does not end in .caddy")
			}
			continue
		}
		if reason := whyLeftOut(file); reason != "" {
			leftOut = append(leftOut, file+" "+reason)
		} else {
			files = append(files, file)
		}
	}
	return files, leftOut, nil
}

// isMeant reports whether a file with another name looks as if it were for Caddy.
func isMeant(entry fs.DirEntry) bool {
	name := strings.ToLower(entry.Name())
	return !entry.IsDir() && !strings.HasPrefix(name, ".") && (strings.Contains(name, "caddy") || slices.Contains([]string{".conf", ".cfg", ".txt"}, filepath.Ext(name)))
}

// whyLeftOut returns why a file is left out, "" if it is not. Links are followed:
// mounted configuration consists of them.
func whyLeftOut(file string) string {
	info, err := os.Stat(file)
	switch {
	case strings.HasPrefix(filepath.Base(file), "."):
		return "is hidden"
	case errors.Is(err, fs.ErrNotExist):
		return "is a link to nothing"
	case err == nil && !info.Mode().IsRegular():
		return "is not a regular file"
	}
	content, err := os.ReadFile(file)
	if err == nil && len(bytes.Trim(content, "\x00 \t\r\n")) == 0 {
		return "is empty"
	}
	return "" // reading it again says what is wrong
}

// Blame returns an error of Caddy's with the name of the file, if there is one, that
// Caddy cannot set up by itself either: its own errors count routes.
func Blame(dir string, cause error) error {
	files, _, _ := List(dir)
	for _, file := range files {
		if adapted, err := adapt(file); err == nil {
			if err := caddy.Validate(adapted); err != nil {
				return naming(file, err)
			}
		}
	}
	return cause
}
