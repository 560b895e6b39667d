package testkit

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// SilentAddress returns a loopback address that answers nothing to a connection, as one
// does where nobody is: its queue is full. It does so until the end of the test.
func SilentAddress(t testing.TB) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	at := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := syscall.Bind(socket, at); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil { // one connection fits
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	at.Port = name.(*syscall.SockaddrInet4).Port
	waiting, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(waiting) })
	if err := syscall.Connect(waiting, at); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.Port)
}

// Knocking returns how many connections to a port of loopback wait for its answer.
func Knocking(t testing.TB, port uint16) (count int) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	to := fmt.Sprintf(" 0100007F:%04X 02 ", port) // the remote address, and SYN_SENT
	return strings.Count(string(text), to)
}
