// Package adminkey mints the admin keys of a self-hosted Convex backend. A key is
// derived from the instance name and the instance secret, so both services of a
// stack can make one without asking the other.
//
// It is not a client, and it opens no keys: whether a backend accepts one is
// asked with backend.Client.CheckAdminKey.
//
// The format was read from the crates keybroker and common of
// get-convex/convex-backend:
//
//	<instance name>|<hex blob>
//
// The blob is a version byte, a nonce, and an encrypted protobuf message. Since
// 2025-05-30 backends encrypt it with AES-128-GCM-SIV. Keys do not expire;
// changing the instance secret voids all of them.
package adminkey
