// Package visitors is what the tests under load share: WebSockets that are held open, and
// the times of many answers. What is asked for, and what may fail, is each test's own.
package visitors
