// Package redact takes secrets out of text that others wrote: known values in the
// spellings that Go, JavaScript, Rust, Postgres and web pages give them, and what
// looks like an admin key or a password in a URL. It is the last line of defence;
// text of ours names no secret in the first place.
//
// A text that is to be cut is redacted before (Limit), and of one that was cut
// already the parts of secrets at its ends are taken out, too (Pieces).
package redact
