// Package trace collects what is known about a push while it runs. Both drivers
// tell it about each request; log lines, the boot report, the time limits and the
// failure are made of it, so they cannot disagree.
package trace
