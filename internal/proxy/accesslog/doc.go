// Package accesslog writes one line per request into the process's own log, in
// the same shape as everything else there, and gives every request an id that
// the application and the client see as well.
//
// Caddy's access log is made for any site: it copies all headers of the request
// and the answer into every line, and prints query strings, where upload tokens
// and sign-in codes are. [Handler] writes what is asked of a log of a known site,
// for less.
//
// It is a log for people and their tools, not an audit trail: a line is written
// when its request has been answered, and a logger that drops lines under
// pressure drops these, too.
package accesslog
