// Package health answers whether things are up: it waits for a dependency with
// a deadline and a reason, keeps the marker files that health checks read,
// serves the status port (/livez, /readyz, /startupz, /status, /metrics) and
// asks it (the healthcheck commands). It starts and stops nothing.
package health
