package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// relayed is what a helper says once it is connected.
const relayed = "connected\n"

// ownHost gives containers the name of the engine's own host that the stack's have.
const ownHost = "host.docker.internal:host-gateway"

// dialLimit is how long it may take to be.
const dialLimit = 10 * time.Second

// Dial connects to a TCP address as the containers of a network reach it, from wherever
// the engine is: by a helper container there, which passes the bytes on. It ends with the
// connection.
func (e *Engine) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	image, err := e.ImportHelper(ctx)
	if err != nil {
		return nil, err
	}
	id, err := e.createHelper(ctx, "", image, HelperOptions{Args: []string{"dial", address}, Network: network})
	if err != nil {
		return nil, err
	}
	// The connection outlives the call, but not the time for its beginning.
	life, opened, end := opening(context.WithoutCancel(ctx))
	interrupted := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	attached, err := e.api.ContainerAttach(life, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err == nil {
		stop := context.AfterFunc(life, attached.Close)
		defer stop()
		err = e.Start(life, id)
	}
	c := &relayedConn{Conn: attached.Conn, from: attached.Reader, address: address}
	if err == nil {
		greeting := make([]byte, len(relayed))
		if _, err = io.ReadFull(c, greeting); err == nil && string(greeting) != relayed {
			err = fmt.Errorf("the helper says %q", greeting)
		}
	}
	interrupted()
	opened()
	c.close = sync.OnceFunc(func() {
		if attached.Conn != nil {
			attached.Close()
		}
		end(nil)
		e.discard(context.WithoutCancel(ctx), id)
	})
	switch {
	case err == nil:
		return c, nil
	case c.said.Len() > 0:
		err = exit.Errorf(exit.Unavailable, "cannot reach %s from the network %s: %s", address, network, strings.TrimPrefix(strings.TrimSpace(c.said.String()), "tale: "))
	default:
		err = e.failed(life, fmt.Sprintf("reach %s from the network %s", address, network), err)
	}
	c.close()
	return nil, err
}

// relayedConn is a connection through the streams of a container.
type relayedConn struct {
	net.Conn
	from    io.Reader
	pending []byte
	said    bytes.Buffer // on stderr
	address string
	close   func()
}

func (c *relayedConn) Read(p []byte) (int, error) {
	for len(c.pending) == 0 {
		kind, frame, err := readFrame(c.from)
		switch {
		case err != nil:
			return 0, err
		case kind == 1:
			c.pending = frame
		case c.said.Len() < mostOutput:
			c.said.Write(frame)
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

func (c *relayedConn) Close() error {
	c.close()
	return nil
}

// RemoteAddr returns what was dialled.
func (c *relayedConn) RemoteAddr() net.Addr { return relayedAddr(c.address) }

type relayedAddr string

func (relayedAddr) Network() string  { return "tcp" }
func (a relayedAddr) String() string { return string(a) }

// relay passes bytes between an address and two streams until either side ends, and
// returns why the connection failed.
func relay(address string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return exit.With(exit.Unavailable, err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(out, relayed); err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(conn, in)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(out, conn)
		ended <- err
	}()
	if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
		return exit.With(exit.Unavailable, err)
	}
	return nil
}
