// Package freeport finds loopback ports for programs that have to be told
// theirs: in the demo and in tests. Who can listen on port 0 does not need it.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports that are tried. They lie below those that the kernel gives to
// outgoing connections (32768 and up by default), because one of those may be
// taken again between the look and the use.
const (
	first = 20000
	count = 12000
	tries = 200
)

// Listen opens a free TCP port on 127.0.0.1. Close it, and the port is free for
// the program that is told about it.
func Listen() (net.Listener, error) {
	var err error
	for range tries {
		var listener net.Listener
		listener, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(count)))
		if err == nil {
			return listener, nil
		}
	}
	return nil, fmt.Errorf("cannot find a free port: %w", err)
}

// Find returns a port that is free now.
func Find() (int, error) {
	listener, err := Listen()
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
