package proxy

import (
	"bytes"
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
	files, _, err := snippetFiles(dir)
	if err != nil {
		return nil, err
	}
	var routes caddyhttp.RouteList
	var problems config.Problems
	for _, file := range files {
		adapted, err := snippetConfig(file)
		if err == nil {
			var found caddyhttp.RouteList
			found, err = snippetRoutes(adapted)
			routes = append(routes, found...)
		}
		if err != nil {
			problems = append(problems, config.Problem{Variable: "PROXY_SITE_DIR", Wrong: "has a file that cannot be used: " + naming(file, err).Error()})
		}
	}
	return routes, problems.Err()
}

// naming makes sure that an error has the file's name.
func naming(file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}

// snippetFiles lists the *.caddy files of a folder, and those that are left out,
// each with the reason: hidden ones, which macOS and editors put beside others, and
// what holds nothing to read.
func snippetFiles(dir string) (files, leftOut []string, err error) {
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
			continue
		}
		if reason := noSnippet(file); reason != "" {
			leftOut = append(leftOut, file+" "+reason)
		} else {
			files = append(files, file)
		}
	}
	return files, leftOut, nil
}

// noSnippet returns why a file is left out, "" if it is not. Links are followed:
// mounted configuration consists of them.
func noSnippet(file string) string {
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

// blameSnippet adds the name of the file, if there is one, that Caddy cannot set up
// by itself either: its own errors count routes.
func blameSnippet(s *Settings, cause error) error {
	files, _, _ := snippetFiles(s.SiteDir)
	for _, file := range files {
		if adapted, err := snippetConfig(file); err == nil {
			if err := caddy.Validate(adapted); err != nil {
				return naming(file, err)
			}
		}
	}
	return cause
}

// snippetConfig has Caddy's own adapter read one file. The file is imported into
// a site block, so that the adapter's errors name it and the line.
func snippetConfig(file string) (*caddy.Config, error) {
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
	if err := json.Unmarshal(dialDirectly(result), &adapted); err != nil {
		return nil, err
	}
	return &adapted, nil
}

// dialDirectly keeps reverse proxies that name no forward proxy from taking that
// of the environment, as those of the route table do.
func dialDirectly(config []byte) []byte {
	var tree any
	if json.Unmarshal(config, &tree) != nil {
		return config
	}
	walk(tree, func(node map[string]any) {
		if node["handler"] != "reverse_proxy" {
			return
		}
		transport, ok := node["transport"].(map[string]any)
		if !ok {
			transport = map[string]any{"protocol": "http"}
		}
		if transport["protocol"] == "http" && transport["network_proxy"] == nil && transport["forward_proxy_url"] == nil {
			transport["network_proxy"] = map[string]any{"from": "none"}
			node["transport"] = transport
		}
	})
	return toJSON(tree)
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
