// Package db is the database image's part of the Go code: the statements that make the
// databases of a stack, which other servers get by `tale db init`.
package db

import "embed"

// Files are the image's init scripts.
//
//go:embed initdb/*.sql
var Files embed.FS
