package testkit

import (
	"strconv"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
)

// FreePort returns a loopback port that is free now, for a program that has to be
// told its port.
func FreePort(t testing.TB) string {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// FreeAddress returns a loopback address, host:port, that is free now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + FreePort(t)
}
