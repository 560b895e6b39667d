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
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
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
	if dir, err = filepath.Abs(dir); err != nil { // the adapter's base is not ours
		return nil, err
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
			problems = append(problems, problem("PROXY_SITE_DIR", "has a file that cannot be used: %v", "", err))
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
		return nil, fmt.Errorf("%q: its path has characters that mean something in a Caddyfile", file)
	}
	if err := checkSnippet(file); err != nil {
		return nil, err
	}
	wrapper := fmt.Sprintf("http://:1 {\n\timport \"%s\"\n}\n", file)
	result, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(wrapper), nil)
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		if !strings.Contains(warning.Message, "not formatted") {
			return nil, fmt.Errorf("%s:%d: %s", warning.File, warning.Line, warning.Message)
		}
	}
	var adapted caddy.Config
	if err := json.Unmarshal(result, &adapted); err != nil {
		return nil, err
	}
	routes, err := snippetRoutes(&adapted)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return routes, nil
}

// checkSnippet finds what the adapter does not see: braces that only the block
// around the file would close or that close it, and directives that are dropped
// because they are about a site and not about requests.
func checkSnippet(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	tokens, err := caddyfile.Tokenize(content, file)
	if err != nil {
		return err
	}
	var open []caddyfile.Token
	for i, token := range tokens {
		first := i == 0 || tokens[i-1].Line != token.Line
		switch {
		case token.Text == "{" && !token.Quoted():
			open = append(open, token)
		case token.Text == "}" && !token.Quoted() && len(open) == 0:
			return fmt.Errorf("%s:%d: a brace is closed that was not opened", file, token.Line)
		case token.Text == "}" && !token.Quoted():
			open = open[:len(open)-1]
		case first && len(open) == 0 && slices.Contains([]string{"tls", "bind", "log"}, token.Text):
			return fmt.Errorf("%s:%d: %s is about a site; only directives that handle requests are possible here", file, token.Line, token.Text)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%s:%d: a brace is opened that is not closed", file, open[len(open)-1].Line)
	}
	return nil
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
