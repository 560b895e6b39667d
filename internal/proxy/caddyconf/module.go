package caddyconf

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// module encodes a module together with the key that names it, under the name by
// which its type is registered.
func module(key string, value caddy.Module) json.RawMessage {
	return caddyconfig.JSONModuleObject(value, key, nameOf(value), nil)
}

// handler encodes a module as an element of a route's handler list.
func handler(value caddy.Module) json.RawMessage { return module("handler", value) }

// modules encodes modules by their names.
func modules(values ...caddy.Module) caddy.ModuleMap {
	all := caddy.ModuleMap{}
	for _, value := range values {
		all[nameOf(value)] = toJSON(value)
	}
	return all
}

func nameOf(value caddy.Module) string { return value.CaddyModule().ID.Name() }

// toJSON encodes values of our own making; Caddy refuses to load what came out
// wrong, so an error would not pass unnoticed.
func toJSON(value any) json.RawMessage { return caddyconfig.JSON(value, nil) }
