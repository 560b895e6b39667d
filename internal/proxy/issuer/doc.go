// Package issuer gets certificates: from an ACME authority for a name that may
// not point here yet (Issuer), and from the local authority (Local).
//
// Caddy's own ACME issuer does the protocol; Issuer decides when to try.
//
// Caddy leaves longer and longer pauses between its attempts, hours after a day.
// That is right for a thousand sites and wrong for one: who sets the DNS record
// on the third day wants the site to work then. Here an attempt is made about
// every minute, where the authority's limits allow it, and at once when the name
// resolves to something new.
//
// The package does not decide which names are certified, and keeps no
// certificates.
package issuer
