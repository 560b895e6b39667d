// Package terminators tests the nginx snippet of docs/operations.md: it is taken
// out of the document as it is printed there and runs in a real nginx in front of
// a real proxy with TLS_MODE=external. There is nothing in it but tests.
package terminators
