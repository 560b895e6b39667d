// Package tunnel carries WebSockets through the proxy at the least cost per
// socket: thousands of clients keep one open each, and most say nothing most of
// the time.
//
// Caddy's reverse proxy serves a WebSocket from inside the request's handler
// chain, whose goroutine waits, with its deep stack and all that hangs on the
// request, until the socket ends; next to it stand three more goroutines and two
// large buffers. [Handler] does the handshake in the chain, takes the connection
// (over HTTP/3: the stream) out of the HTTP server and returns. What stays of a
// socket is one goroutine per direction with a shallow stack and a small buffer.
//
// The bytes are passed on as they are. The tunnel only follows where WebSocket
// frames begin and end (RFC 6455, section 5.2), so that at the end of the proxy
// it can tell both sides that it is going away with a close frame that is not
// written into the middle of another, and at the end of an upstream the client.
//
// Sockets over HTTP/2, which Go's server does not offer, and requests that are no
// WebSocket handshake, are left to the next handler.
package tunnel
