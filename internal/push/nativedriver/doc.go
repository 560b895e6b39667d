// Package nativedriver pushes a request that the convex CLI prepared at image
// build, without JavaScript: it puts the admin key in, leaves out the modules that
// the deployment has, and does the requests of a push. The request stays on disk
// and passes through in pieces.
//
// It does one attempt, of which the next one can use what is still good. Whether
// another follows is decided in package push.
package nativedriver
