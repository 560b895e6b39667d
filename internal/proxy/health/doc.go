// Package health answers for the proxy's own health. It looks at what the process knows
// of upstreams and certificates, and sends no request.
package health
