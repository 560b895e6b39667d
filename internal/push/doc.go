// Package push brings a Convex backend to the state that a release wants: the
// deployment's environment variables first, then its functions. It holds the
// client of the backend's HTTP API, the sync of the variables, the drivers that
// push functions, and the catalogue that turns what was seen on the wire into a
// cause and a fix.
//
// It does not wait for the backend to start (package health does), does not know
// which variables a service pushes (package platform does), and does not run the
// web server.
//
// What it knows about the backend was read from get-convex/convex-backend at
// commit 5f66740a (2026-02-21) and its main branch of 2026-08, and observed on
// the npm packages convex 1.32.0, 1.35.1 and 1.48.0.
package push
