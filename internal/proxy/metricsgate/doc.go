// Package metricsgate lets a request pass only if it carries a secret bearer
// token.
//
// Caddy's header matcher is not made for secrets: it compares byte by byte and
// stops at the first difference, takes `*` at an end of the token for a wildcard
// and `{...}` for a placeholder, wants the scheme in one spelling, and has the
// token in the configuration, where it is printed. [Bearer] compares digests in
// constant time, takes any bytes, and is configured with the name of a token
// that the process has (package host).
//
// It says yes or no. What a request without the token is answered, and what lies
// behind the gate, is for the routes to say.
package metricsgate
