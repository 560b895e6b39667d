// Package terminators tests the nginx and the Traefik snippet of
// docs/operations.md: they are taken out of the document as they are printed there
// and run in a real nginx and, where there is one, a real Traefik in front of a
// real proxy with TLS_MODE=external. There is nothing in it but tests.
package terminators
