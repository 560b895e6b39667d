// Package caddyconf builds the configuration that Caddy runs, in Caddy's own types:
// of the settings, the route table and the operator's routes (New). It names every
// Caddy module that is linked into the proxy (modules.go).
//
// It is a function of its arguments and of the logo that they name: it opens no port
// and keeps no secret. Package proxy runs what comes out.
package caddyconf
