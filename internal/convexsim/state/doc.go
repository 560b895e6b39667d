// Package state has what a simulator stores: environment variables, the code,
// components and schemas of an app, uploads. It knows the rules by which these
// change, keeps them in one file of the storage folder, and has the documents in
// which the backend's own tables show them. It knows nothing of HTTP.
package state
