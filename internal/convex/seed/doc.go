// Package seed fills a volume with the built-in configuration of an image, once
// per version, and leaves alone what the user has changed, added or deleted.
//
// It knows the folders and the names of files and nothing of what is in them.
package seed
