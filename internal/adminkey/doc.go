// Package adminkey mints and opens the admin keys of a self-hosted Convex
// backend. A key is derived from the instance name and the instance secret, so
// both services of a stack can make one without asking the other.
//
// It is not a client: whether a backend accepts a key is asked with
// backend.Client.CheckAdminKey.
//
// The format was read from the crates keybroker and common of
// get-convex/convex-backend:
//
//	[type:]<instance name>|<hex blob>[:<base64 JSON of the user to act as>]
//
// The blob is a version byte, a nonce, and an encrypted protobuf message. Since
// 2025-05-30 backends encrypt it with AES-128-GCM-SIV; the older NaCl secretbox
// form, and the oldest keys that carry the instance name inside the message
// instead of before it, are still accepted by every backend and therefore opened
// here. Keys do not expire; changing the instance secret voids all of them.
package adminkey
