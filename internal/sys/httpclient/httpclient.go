// Package httpclient makes the HTTP clients by which the services ask each other,
// their site and themselves. Such a client ends with its context whatever the
// server does, follows no redirect, and asks no proxy of the environment. It
// decides nothing about connections, certificates and time limits: those are the
// caller's.
package httpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// ErrSwitched is a server's 101 for a request that asked for no other protocol.
// The body of such an answer is the connection itself, which no context ends.
var ErrSwitched = errors.New("the server switched protocols without being asked to")

// New returns a client that uses t.
func New(t *http.Transport) *http.Client {
	return &http.Client{
		Transport:     Transport{t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Transport is an http.Transport whose answers all end with the context of their
// request.
type Transport struct{ *http.Transport }

// RoundTrip sends one request. Its error tells whether there was a connection.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	response, err := t.Transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil && connected.Load() {
		err = netcause.Connected(err)
	}
	if err == nil {
		err = RefuseSwitch(r, response)
	}
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols { // there the body is a connection
		response.Body = answerBody{response.Body}
	}
	return response, nil
}

// answerBody is the body of an answer. What keeps it from coming to its end happens on a
// connection.
type answerBody struct{ io.ReadCloser }

func (b answerBody) Read(piece []byte) (int, error) {
	n, err := b.ReadCloser.Read(piece)
	if err != nil && err != io.EOF { //nolint:errorlint // a wrapped one is not the end
		err = netcause.Connected(err)
	}
	return n, err
}

// RefuseSwitch closes an answer that switches protocols, and returns ErrSwitched,
// unless the request asked for that.
func RefuseSwitch(r *http.Request, response *http.Response) error {
	if response.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Upgrade") != "" {
		return nil
	}
	_ = response.Body.Close()
	return ErrSwitched
}

// TooLargeError is an answer of more bytes than are read.
type TooLargeError struct{ Most int64 }

// Error names the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", e.Most)
}

// ReadAll reads a body of at most the given number of bytes. A longer one is a
// *TooLargeError: its beginning must not pass for the whole. It takes the room of
// what was read and once more that of a whole body; a buffer that grows would take
// several times as much.
func ReadAll(response *http.Response, most int64) ([]byte, error) {
	body := io.LimitReader(response.Body, most+1)
	var pieces [][]byte
	var read int64
	size := min(max(response.ContentLength, 0), most, maxPiece-1) + 1
	for {
		piece, err := readPiece(body, size)
		pieces, read = append(pieces, piece), read+int64(len(piece))
		switch {
		case err == nil:
			size = min(max(2*size, 4<<10), maxPiece)
		case read > most:
			return nil, &TooLargeError{Most: most}
		case err == io.EOF: //nolint:errorlint // a wrapped one is not the end
			return bytes.Join(pieces, nil), nil
		default:
			return bytes.Join(pieces, nil), err
		}
	}
}

const maxPiece = 1 << 20

// readPiece reads until the piece is full, which is no error, or an error.
func readPiece(from io.Reader, size int64) ([]byte, error) {
	piece, filled := make([]byte, size), 0
	var err error
	for filled < len(piece) && err == nil {
		var n int
		n, err = from.Read(piece[filled:])
		filled += n
	}
	return piece[:filled], err
}

var _ http.RoundTripper = Transport{}

// LocalAddr turns a listen address into one that can be dialled from the same
// container. It uses 127.0.0.1 and not "localhost", which may be ::1.
func LocalAddr(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
