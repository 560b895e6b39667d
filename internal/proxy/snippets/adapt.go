package snippets

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile" // the Caddyfile adapter
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// adapt has Caddy's own adapter read one file. The file is imported into
// a site block, so that the adapter's errors name it and the line.
func adapt(file string) (*caddy.Config, error) {
	if strings.ContainsAny(file, "*?[]{}`\"\n") {
		return nil, fmt.Errorf("%q: its path has characters that mean something in a Caddyfile", file)
	}
	if err := check(file); err != nil {
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
	return caddyconfig.JSON(tree, nil)
}

// check finds what the adapter does not see: braces that only the block
// around the file would close or that close it, and directives that are dropped
// because they are about a site and not about requests.
func check(file string) error {
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

// routesOf returns the routes of an adapted file. Whatever else a file
// can configure would be dropped silently, so it is refused.
func routesOf(adapted *caddy.Config) (caddyhttp.RouteList, error) {
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
