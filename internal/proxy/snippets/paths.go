package snippets

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Paths returns the path patterns of routes, under a prefix. Those with placeholders
// are not known before the request.
func Paths(routes caddyhttp.RouteList, base string) []string {
	var tree any
	if json.Unmarshal(caddyconfig.JSON(routes, nil), &tree) != nil {
		return nil
	}
	var paths []string
	walk(tree, func(node map[string]any) {
		patterns, _ := node["path"].([]any)
		for _, pattern := range patterns {
			path, _ := pattern.(string)
			if strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "{%") {
				path = base + path
			}
			if strings.Trim(path, "*") != "" && !strings.ContainsAny(path, "{%") {
				paths = append(paths, path)
			}
		}
	})
	return paths
}

// walk visits every object of a JSON document.
func walk(tree any, visit func(map[string]any)) {
	switch node := tree.(type) {
	case map[string]any:
		visit(node)
		for _, child := range node {
			walk(child, visit)
		}
	case []any:
		for _, child := range node {
			walk(child, visit)
		}
	}
}
