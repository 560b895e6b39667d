package proxy

import (
	"context"
	"io"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// rawHTTP3 sends requests over HTTP/3 that no client would make.
type rawHTTP3 struct {
	*running
	conn *quic.Conn
}

// Types of frames: RFC 9114, section 7.2.
const (
	dataFrame    = 0
	headersFrame = 1
)

// send writes one request and waits until the server has done with it.
func (c *rawHTTP3) send(fields []field, body string) {
	c.Helper()
	stream, err := c.open()
	if err != nil {
		c.Error(err)
		return
	}
	block := []byte{0, 0} // RFC 9204, section 4.5.1: of the dynamic table there is nothing
	for _, f := range fields {
		block = appendString(block, 0x20, 3, f.name) // section 4.5.6: a literal name
		block = appendString(block, 0, 7, f.value)
	}
	message := append(quicvarint.Append(quicvarint.Append(nil, headersFrame), uint64(len(block))), block...)
	if body != "" {
		message = append(quicvarint.Append(quicvarint.Append(message, dataFrame), uint64(len(body))), body...)
	}
	_, _ = stream.Write(message)
	_ = stream.Close()
	_ = stream.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(io.Discard, stream)
	stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
}

// open returns a stream, of a new connection where the last has ended.
func (c *rawHTTP3) open() (*quic.Stream, error) {
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	if c.conn != nil {
		if stream, err := c.conn.OpenStreamSync(ctx); err == nil {
			return stream, nil
		}
	}
	conn, err := c.dialHTTP3(siteName)
	if err != nil {
		return nil, err
	}
	c.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	c.conn = conn
	return conn.OpenStreamSync(ctx)
}

// appendString appends a text behind its length, of which the first bits share a byte with
// a flag (RFC 7541, section 5.1).
func appendString(to []byte, flag byte, bits int, text string) []byte {
	most := 1<<bits - 1
	n := len(text)
	if n < most {
		to = append(to, flag|byte(n))
		return append(to, text...)
	}
	to = append(to, flag|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		to = append(to, byte(n)|0x80)
	}
	to = append(to, byte(n))
	return append(to, text...)
}
