package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile" // the Caddyfile adapter
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/config"
)

// loadSnippets makes routes of every *.caddy file in dir, in the order of their
// names. Each holds Caddyfile directives as they stand inside a site block. A
// folder that does not exist holds none. The error is a config.Problems with
// every file that cannot be used.
func loadSnippets(dir string) (caddyhttp.RouteList, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, config.Problems{problem("PROXY_SITE_DIR", "cannot be read: %v", "a folder with *.caddy files", err)}
	}
	var routes caddyhttp.RouteList
	var problems config.Problems
	for _, entry := range entries {
		if entry.IsDir() || filepath.Ext(entry.Name()) != ".caddy" {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		adapted, err := adaptSnippet(file)
		if err != nil {
			problems = append(problems, config.Problem{Variable: file, Wrong: "cannot be used: " + err.Error()})
			continue
		}
		routes = append(routes, adapted...)
	}
	return routes, problems.Err()
}

// adaptSnippet has Caddy's own adapter read one file. The file is imported into
// a site block, so that the adapter's errors name it and the line.
func adaptSnippet(file string) (caddyhttp.RouteList, error) {
	if strings.ContainsAny(file, "*?[]{}`\"\n") {
		return nil, errors.New("its path has characters that mean something in a Caddyfile")
	}
	wrapper := fmt.Sprintf("http://:1 {\n\timport \"%s\"\n}\n", file)
	result, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(wrapper), map[string]any{"filename": file})
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		if !strings.Contains(warning.Message, "not formatted") {
			return nil, errors.New(warning.String())
		}
	}
	var adapted caddy.Config
	if err := json.Unmarshal(result, &adapted); err != nil {
		return nil, err
	}
	return snippetRoutes(&adapted)
}

// snippetRoutes takes the routes out of an adapted file. Whatever else a file
// can configure would be dropped silently, so it is refused.
func snippetRoutes(adapted *caddy.Config) (caddyhttp.RouteList, error) {
	for app := range adapted.AppsRaw {
		if app != "http" {
			return nil, fmt.Errorf("it configures %s; only directives that handle requests are possible here", app)
		}
	}
	if adapted.Logging != nil || adapted.StorageRaw != nil || adapted.Admin != nil {
		return nil, errors.New("it has global options; only directives that handle requests are possible here")
	}
	var app caddyhttp.App
	if raw := adapted.AppsRaw["http"]; raw != nil {
		if err := json.Unmarshal(raw, &app); err != nil {
			return nil, err
		}
	}
	var routes caddyhttp.RouteList
	for _, server := range app.Servers {
		if server.Errors != nil || len(server.NamedRoutes) > 0 || server.Logs != nil || len(server.TLSConnPolicies) > 0 {
			return nil, errors.New("it has error routes, named routes, logs or TLS settings; only directives that handle requests are possible here")
		}
		if !slices.Equal(server.Listen, []string{":1"}) {
			return nil, errors.New("it has a site of its own; only directives that stand inside a site block are possible here")
		}
		routes = append(routes, server.Routes...)
	}
	return routes, nil
}
