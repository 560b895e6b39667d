// Package push brings a deployment's functions to what a release wants: it skips
// what is deployed already, pushes with one of two drivers, repeats what passes,
// and explains what does not. Deploy is the way in; deploy.go, skip.go and
// attempts.go are read in this order.
//
// Its parts are packages of their own, each below the ones that use it:
//
//	envsync       brings the variables to a goal; runs before a push
//	nativedriver  pushes a request that the image build prepared
//	clidriver     runs the app's convex CLI and listens in on its requests
//	requestfile   the prepared request: scan, index, check, write
//	convexcli     the convex CLI as a program: where it is, how it is started
//	trace         what is known about a push under way
//	diagnosis     what a failure means and what to do about it
//	redact        keeps secrets out of text
//	backend       the client of the backend's HTTP API
//	jsonscan      looks through JSON documents of any size
//
// It does not wait for the backend to start (package health does), does not know
// which variables a service pushes (package platform does), and does not run the
// web server.
//
// What it knows about the backend was read from get-convex/convex-backend at
// commit 5f66740a (2026-02-21) and its main branch of 2026-08, and observed on
// the npm packages convex 1.32.0, 1.35.1, 1.48.0 and 1.49.0.
package push
