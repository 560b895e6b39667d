// Package upstreams tells Caddy's reverse proxy which address of a service to
// send a request to: of the healthy ones of the newest release, the one with the
// fewest requests under way. The older releases are there for when that fails.
//
// It exists for names that more than one container answers to. During a
// blue/green deployment the alias "platform" resolves to the old colour, then to
// both, then to the new one; Caddy's own dynamic sources take every address DNS
// lists, healthy or not, and its active health checks do not run for dynamic
// upstreams. [Source] resolves the name and probes each address by itself, away
// from the request path, and answers a request with one atomic load.
//
// A request that meets no healthy address is held for a short budget, counted
// from the moment the last address was lost, and sent on the moment a probe
// passes. That is what carries clients over the restart of a service that has
// only one address. A request that arrives after the budget is answered at once.
//
// Which addresses are of one release the service says in its health answer: they have
// its version, and where two colours are deployed its colour, in common. An address
// that says nothing is a release of its own.
//
// The package does not look at the application's answers (two requests that end in a
// 500 say nothing about the service), and does not stop streams that are open to an
// address that left: they end when that side closes them.
package upstreams
