// Package freeport finds loopback ports for programs that have to be told
// theirs: in the demo and in tests. Who can listen on port 0 does not need it.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that are tried. They lie below those that the kernel gives to
// outgoing connections (32768 and up by default), because one of those may be
// taken again between the look and the use.
const (
	first = 20000
	count = 12000
	tries = 200
)

// reserved has a mark for each port that was found: an abstract socket with its number,
// so that nobody is told the same port before it is used, in another process either.
// It is process state because the marks must live as long as the process.
var reserved sync.Map

// Find returns a TCP port that is free now on all of the addresses, 127.0.0.1 if there
// are none. It is not found again as long as this process lives.
func Find(hosts ...string) (int, error) {
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1"}
	}
	var err error
	for range tries {
		port := first + rand.IntN(count)
		if err = take(port, hosts); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("cannot find a free port: %w", err)
}

// take returns nil if the port is free on all of the addresses, and was not found before.
func take(port int, hosts []string) error {
	mark, err := net.Listen("unix", fmt.Sprintf("@tale-runtime-port-%d", port))
	if err != nil {
		return err
	}
	for _, host := range hosts {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return errors.Join(err, mark.Close())
		}
		if err := listener.Close(); err != nil {
			return errors.Join(err, mark.Close())
		}
	}
	reserved.Store(port, mark)
	return nil
}
