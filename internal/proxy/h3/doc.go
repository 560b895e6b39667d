// Package h3 serves over HTTP/3 what a Caddy server serves over the other versions.
// Caddy can do that itself, but has no place where connections of QUIC could be
// counted: one visitor opens as many as the memory holds. Here each is counted from its
// first packet on, with the connections of TCP, and a network that has many must prove
// its address first (RFC 9000, section 8.1.2).
//
// The protocol is quic-go's, the routes and certificates are Caddy's.
package h3
