// Package platform is the platform service: it waits for convex, syncs the
// deployment's variables, deploys the functions, runs the web server, says when
// it is ready and drains on a stop. Boot.everything reads like the log of a boot.
//
// What a push is made of lives in package push, how processes are kept in
// package supervise; this package puts them in order and knows the settings.
package platform
