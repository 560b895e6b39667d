// Package requestfile reads the push request that `convex deploy
// --write-push-request` leaves in an image: which modules are in it and where,
// their hashes, and whether it can be pushed. An index beside the file, made at
// build, saves a boot from looking through it.
//
// It does not push: package nativedriver does.
package requestfile
