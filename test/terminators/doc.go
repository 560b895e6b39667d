// Package terminators tests the snippets of docs/operations.md: each is taken out
// of the document as it is printed there and runs in a real nginx or Traefik in
// front of a real proxy with TLS_MODE=external. There is nothing in it but tests.
package terminators
