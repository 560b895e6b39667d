// Package limits bounds what one visitor can hold, so that there is something
// left for the others: connections, requests under way, slow request bodies,
// large answers, and frames of HTTP/2 that make work and bring nothing.
//
//   - App has the limits and the counts, which the modules below share
//   - Listener, below TLS, counts connections and refuses what is too much; it
//     also lets TLS handshakes take turns
//   - QUICConn is a connection of HTTP/3, which the package h3 accepts
//   - Handler counts requests, measures their bodies, and counts the sockets that
//     are not connections of their own
//   - BoundUnread bounds what the kernel holds of a connection to an upstream, as
//     Listener does of those of visitors
//   - Answer and File count the large answers, which stay until they are taken
//
// A visitor is a network: the /32 of an IPv4 address, the /64 of an IPv6 address.
// How much there is in all follows from the limits of the process; near it, the
// connection that has been idle the longest makes room.
//
// It is not a limit of the rate of requests: who asks often and takes the answers
// is served.
package limits
