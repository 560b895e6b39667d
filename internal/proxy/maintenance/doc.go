// Package maintenance answers for a service that cannot be reached.
//
// [Handler] belongs in the proxy's error routes and speaks when the proxy itself
// ended a request with 502, 503 or 504: nothing to send it to, a connection that
// was refused or broke, no answer in time. A browser that navigates gets a page
// that reloads itself when the site is back, a program gets JSON, a WebSocket
// handshake gets the status and nothing else. All of them are told when to come
// again, and not to keep the answer.
//
// It never touches what an upstream answered: a 503 with a body that the
// application sent is the application's word, and passes through.
package maintenance
