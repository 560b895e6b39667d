// Package visitor finds the address of who asks. There is one answer to that:
// the access log, X-Real-Ip, X-Forwarded-For, DASHBOARD_ALLOW and `client_ip`
// matchers of snippets all have it from [Handler]. What is allowed to an address
// is not decided here, but for the networks of [Matcher].
package visitor
