// Package proxy is the one public entry of the stack: TLS, routing to the
// web application and the Convex backend, and everything a visitor may meet
// when one of them is away.
//
// It reads from top to bottom as packages: settings; routes, the table made from
// them; caddyconf, the Caddy configuration made from that; and this one, the command
// line and the process that runs it. Caddy is embedded as a library: its admin
// endpoint is off, no configuration file is read or written, and nothing is ever
// reloaded, because a reload cuts every WebSocket. What Caddy cannot do, small
// modules in the other subpackages do.
//
// The package does not start, probe or restart other services; it only looks
// where they are and sends requests there.
package proxy
