// Package backend knows convex-local-backend: its command line and environment,
// the variables it is tuned with, how it is stopped and how it is asked whether it
// answers.
//
// It starts nothing: the boot supervises the process.
package backend
