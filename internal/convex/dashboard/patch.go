package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Patch sets the base path and the asset prefix of the dashboard in
// dir, a Next.js standalone server, which is built for the root of a host.
// It is meant for the build of an image: at run time nothing is changed.
//
// The one place that counts is the configuration in server.js, which the
// standalone server hands to Next.js; it does not read the copies in .next/*.json
// (tried with Next.js 15). Links that the build compiled into the pages stay
// without the prefix; the proxy's routes know them.
//
// Anything but exactly one empty base path and one empty asset prefix in that
// configuration is an error, and nothing is written: a dashboard that works only in
// part must fail the build.
func Patch(dir, basePath string) error {
	file := filepath.Join(dir, "server.js")
	if err := checkBasePath(basePath); err != nil {
		return fmt.Errorf("cannot patch %s: the base path %w; accepted: %s", file, err, basePathAccepted)
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("cannot patch the dashboard: %w; is %s a Next.js standalone server?", err, dir)
	}
	script, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot patch the dashboard: %w", err)
	}
	patched, err := patchServerScript(script, basePath)
	if err != nil {
		return fmt.Errorf("cannot patch %s: %w; the dashboard's build has changed, look at the file", file, err)
	}
	return atomicfile.Write(file, patched, info.Mode().Perm())
}

// nextSettings are the two settings of Next.js that the patch changes.
var nextSettings = []string{"basePath", "assetPrefix"}

func patchServerScript(script []byte, basePath string) ([]byte, error) {
	start, end, before, err := findNextConfig(script)
	if err != nil {
		return nil, err
	}
	changed := script[start:end]
	for _, setting := range nextSettings {
		if changed, err = fillIn(changed, setting, basePath); err != nil {
			return nil, err
		}
		before[setting] = basePath
	}
	var after map[string]any
	if err := json.Unmarshal(changed, &after); err != nil || !reflect.DeepEqual(before, after) {
		return nil, errors.New("the changed configuration does not say what it should")
	}
	return bytes.Join([][]byte{script[:start], changed, script[end:]}, nil), nil
}

// findNextConfig returns the one JSON object of the script with both settings, and
// where it stands.
func findNextConfig(script []byte) (start, end int, config map[string]any, err error) {
	found := 0
	for at := 0; at < len(script); at++ {
		if script[at] != '{' {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(script[at:]))
		var object map[string]any
		if decoder.Decode(&object) != nil || !hasSettings(object) {
			continue
		}
		found++
		start, end, config = at, at+int(decoder.InputOffset()), object
		at = end
	}
	if found != 1 {
		return 0, 0, nil, fmt.Errorf("expected one JSON configuration with %s, found %d", strings.Join(nextSettings, " and "), found)
	}
	return start, end, config, nil
}

func hasSettings(object map[string]any) bool {
	for _, setting := range nextSettings {
		if _, there := object[setting]; !there {
			return false
		}
	}
	return true
}

// fillIn sets an empty setting and keeps the text around it byte for byte.
func fillIn(config []byte, setting, value string) ([]byte, error) {
	pair := regexp.MustCompile(`("` + setting + `"\s*:\s*)"([^"]*)"`)
	found := pair.FindAllSubmatch(config, -1)
	if len(found) != 1 {
		return nil, fmt.Errorf("expected one %q in the configuration, found %d", setting, len(found))
	}
	if old := string(found[0][2]); old != "" {
		return nil, fmt.Errorf("%s is %q already, expected it empty", setting, old)
	}
	return pair.ReplaceAll(config, []byte(`${1}"`+strings.ReplaceAll(value, "$", "$$")+`"`)), nil
}
