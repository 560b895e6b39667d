// Package postgres finds out whether the backend can use its database: it logs
// in as the backend is going to, with the same rules of TLS, waits for what
// passes by itself and says in one sentence why the rest does not.
//
// It changes nothing on the server and keeps no connection. Which server that is,
// package stack reads from the settings.
package postgres
