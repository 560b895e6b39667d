// Package clitest has a stand-in for the convex CLI, which the test binary plays:
// a real process with the CLI's requests, retries and signals, without node.
package clitest
