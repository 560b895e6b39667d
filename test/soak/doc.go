// Package soak keeps the proxy, a process of its own, under mixed traffic for as
// long as one likes and fails when it grows: memory, goroutines, open files. The
// traffic has everything that holds on to something: small and large answers,
// posts, downloads that are broken off, event streams, slow answers, WebSockets
// that come and go, over HTTP/1.1 and HTTP/2, while colours replace each other
// and now and then none is there.
//
// As a test it runs for some seconds; `make soak` runs it for ten minutes.
package soak
