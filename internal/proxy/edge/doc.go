// Package edge holds the small Caddy modules that stand between the proxy's
// route table and Caddy's reverse proxy, each for one job that Caddy's own
// handlers cannot do or cannot do safely:
//
//   - Target gives a request one target, which is decided on and sent
//   - Forward prepares a request for its upstream: path, upgrade, nothing else
//   - Forwarded decides which forwarding headers of a client are believed
//   - BasePath serves the whole table under a path prefix
//   - Response sets the headers every answer carries
//   - AdminRequest recognises requests with an admin key
//   - AdminKeys keeps an answer that contains admin keys inside
//   - Health tells whether the proxy is there, and whether it can serve
//
// None of them holds a secret, opens a connection or starts a goroutine.
package edge
