// Package trust makes the backend and the dashboard trust the proxy's own
// authority: it keeps one file of certificates that they are started with, and
// reports when it changes.
//
// It starts and restarts nothing. It makes no certificate, and it takes nothing
// but certificates from the proxy's volume.
package trust
