// Package convexsim is a simulator of convex-local-backend, the server of a
// self-hosted Convex deployment, for machines where the real one cannot be had:
// tests, benchmarks and the demo.
//
// On the wire it behaves as the backend of get-convex/convex-backend at commit
// 5f66740ae does for everything a deploy touches: the probes, the environment
// variable API, the deploy2 push protocol, admin keys, the sync WebSocket as far
// as the command line client needs it, file storage, the site port. What it was
// sent survives a restart in its storage folder.
//
// It is not a backend. It stores environment variables and pushes. Functions are run
// only when it is given what runs them (package runner), and then without isolation,
// limits, or the speed of a database: all documents are in the memory of one process,
// which has one transaction at a time. What a real backend learns by running a module
// (index names, component names, the variables an auth.config reads) is read from the
// bundled source text here, which is good for the output of the convex command line
// client and for nothing else.
//
// Faults make it fail in the ways real backends fail.
//
// This package is the server: ports, routes, requests, its life. Its parts are
// packages below: command (the command line), state (what is stored), deploy2 (what
// a push is and does), runner (what runs functions), livequery (the sync protocol),
// protocol (the forms of answers and bodies), keybroker (who asks), bundle (what is
// read from JavaScript), fault (what is made to fail).
package convexsim
