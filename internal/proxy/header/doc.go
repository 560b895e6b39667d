// Package header changes the headers of requests and answers where Caddy's own handlers
// cannot, or not safely: Forwarded removes what only a proxy may say about a visitor,
// Response sets what every answer carries, Validators gives upstreams their own entity
// tags back.
package header
