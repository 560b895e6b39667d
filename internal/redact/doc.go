// Package redact takes secrets out of text that others wrote: known values in all
// spellings that occur, and what looks like an admin key or a password in a URL.
// It is the last line of defence; text of ours names no secret in the first place.
package redact
