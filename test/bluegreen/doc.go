// Package bluegreen checks, from outside and with real processes, that replacing
// the web application behind the proxy costs no visitor anything.
//
// A deployment tool (rotation) starts the next colour, which answers 500 while it
// boots, and ends the old one with SIGTERM or SIGKILL, in turns of chance, while
// visitors send GET and POST requests, single and in bursts, over connections
// that are kept and that are not, hold WebSockets open, and open pages whose parts
// they load when the colour is gone. Colours and proxy are
// processes of their own; the colours share a port on two loopback addresses
// and a name that resolves to those that are there, as containers of one alias
// do.
//
// Another test replaces three containers of one version, among which the proxy spreads
// the requests, by three of the next, one after the other.
//
// `go test` does a few switches with the proxy of the test binary; `make
// bluegreen` the full number, with bin/proxy.
package bluegreen
