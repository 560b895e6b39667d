// Package exchange is what the handlers of one request agree on, whichever module
// they are part of: the names under which it carries its id and its scheme, whether it
// asks for a WebSocket, and a writer that changes the header of the answer.
//
// It has no Caddy module, and imports none of ours.
package exchange

const (
	// IDHeader carries the request's id, upstream and back.
	IDHeader = "X-Request-Id"

	// IDVar is the request variable with the id: {http.vars.request_id}.
	IDVar = "request_id"

	// ProtoVar is the request variable with the scheme the visitor used, for
	// X-Forwarded-Proto.
	ProtoVar = "tale_proto"
)
