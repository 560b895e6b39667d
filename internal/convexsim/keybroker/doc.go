// Package keybroker opens admin keys as the crate keybroker of the backend does,
// and mints those of the kinds that package adminkey does not: for system users,
// read-only, in the name of another user.
//
//	[type:]<instance name>|<hex blob>[:<base64 JSON of the user to act as>]
//
// The blob is encrypted with the cipher of package adminkey, or, until 2025-05-30,
// as a NaCl secretbox. That form, and the oldest keys that carry the instance name
// inside the message instead of before it, are still accepted by every backend and
// therefore opened here.
package keybroker
