// Package certstore keeps the folder usable in which Caddy keeps certificates,
// keys and ACME accounts. After a power cut or on a full disk files of it may be
// empty, cut off or filled with NUL bytes, and Caddy takes such a file for a reason
// to do nothing: no certificate is made, at no restart.
//
// Heal runs before Caddy does. It moves aside what cannot be used and can be made
// again, so that Caddy makes it again, and refuses what visitors trust. It asks
// nothing of the network and reads only what the names of the site need.
//
// The package neither issues nor serves certificates.
package certstore
