package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"
)

// maxResponseHeader caps what an upstream may answer a handshake with.
const maxResponseHeader = 64 << 10

// errNoSocket is an upstream's 101 that opens no WebSocket.
var errNoSocket = errors.New("the upstream switched to another protocol than websocket")

// errExtension is an extension nobody asked for: frames the client could not
// read would follow.
var errExtension = errors.New("the upstream chose a WebSocket extension that was not offered")

// handshake is what an upstream answered.
type handshake struct {
	conn     net.Conn
	response *http.Response // its body ends with the connection
	early    []byte         // what came after a 101: the first frames
}

// accepted reports whether the upstream opened the socket.
func (h *handshake) accepted() bool { return h.response.StatusCode == http.StatusSwitchingProtocols }

// requestBytes returns the handshake as it goes to the upstream: the path and query
// as they are now, with the given headers.
func requestBytes(r *http.Request, header http.Header) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", r.URL.RequestURI(), r.Host)
	_ = header.Write(&out) // a buffer takes everything
	out.WriteString("\r\n")
	return out.Bytes()
}

// newKey returns what a handshake must bring, and one over HTTP/3 does not (RFC 6455,
// section 4.1).
func newKey() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// shake sends the handshake and reads the answer within the patience, or until
// ctx ends. The connection stays open if there is no error.
func shake(ctx context.Context, conn net.Conn, request []byte, patience time.Duration) (*handshake, error) {
	stopWatching := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stopWatching()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxResponseHeader}
	reader := bufio.NewReaderSize(limited, 4<<10)
	response, err := readFinal(reader) //nolint:bodyclose // what follows the header is the tunnel, which owns the connection
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	h := &handshake{conn: conn, response: response}
	if h.accepted() {
		h.early, _ = reader.Peek(reader.Buffered())
		return h, conn.SetDeadline(time.Time{})
	}
	limited.N = 1 << 62
	return h, nil
}

// readFinal skips informational answers.
func readFinal(reader *bufio.Reader) (*http.Response, error) {
	for {
		response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodGet})
		if err != nil {
			return nil, fmt.Errorf("cannot read the upstream's answer: %w", err)
		}
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, nil
		}
	}
}

// check refuses a 101 that the client cannot use.
func (h *handshake) check(offered http.Header) error {
	header := h.response.Header
	if !httpguts.HeaderValuesContainsToken(header["Connection"], "upgrade") ||
		!httpguts.HeaderValuesContainsToken(header["Upgrade"], "websocket") {
		return errNoSocket
	}
	if header.Get("Sec-Websocket-Extensions") != "" && offered.Get("Sec-Websocket-Extensions") == "" {
		return errExtension
	}
	return nil
}
