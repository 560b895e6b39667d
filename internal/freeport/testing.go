package freeport

import (
	"strconv"
	"testing"
)

// String is Find for a test, as text; without a free port the test fails.
func String(t testing.TB) string {
	t.Helper()
	port, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}
