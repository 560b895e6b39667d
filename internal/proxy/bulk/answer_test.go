package bulk

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// passOn does what the reverse proxy does, and counts the reads of it that
// brought something.
func passOn(t *testing.T, p *pool, data []byte) (reads int) {
	t.Helper()
	recorded := httptest.NewRecorder()
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: recorded}, pieces: p}
	from, buffer := a.offer(io.NopCloser(bytes.NewReader(data))), make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			reads++
			if _, err := a.Write(buffer[:n]); err != nil {
				t.Fatal(err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(recorded.Body.Bytes(), data) {
		t.Errorf("%d of %d bytes", recorded.Body.Len(), len(data))
	}
	return reads
}

func TestTheReverseProxyReadsOneBufferOfALargeAnswer(t *testing.T) {
	if reads := passOn(t, newPool(1), make([]byte, 1<<20)); reads != 1 {
		t.Errorf("it read %d times", reads)
	}
}

func TestWithoutAPieceTheReverseProxyReadsItAll(t *testing.T) {
	if reads := passOn(t, newPool(0), make([]byte, 1<<20)); reads != 32 {
		t.Errorf("it read %d times", reads)
	}
}

type panicking struct{ http.ResponseWriter }

func (panicking) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

func TestAPanicLeavesNoBufferBehind(t *testing.T) {
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: panicking{}}, conn: new(conn)}
	func() {
		defer func() { _ = recover() }()
		_ = a.pass(make([]byte, 1), make([]byte, 0, 1))
	}()
	if a.conn.collecting || a.conn.held != nil {
		t.Error("the connection goes on collecting")
	}
}

// The reverse proxy must not take an answer that broke off for a whole one.
func TestTheEndOfTheUpstreamReachesTheReverseProxy(t *testing.T) {
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: httptest.NewRecorder()}, pieces: newPool(1)}
	broken := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(io.ErrUnexpectedEOF))
	from, buffer := a.offer(io.NopCloser(broken)), make([]byte, 1<<10)
	n, _ := from.Read(buffer)
	if _, err := a.Write(buffer[:n]); err != nil {
		t.Fatal(err)
	}
	if n, err := from.Read(buffer); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it reads %d bytes, %v", n, err)
	}
}

func TestAVisitorWhoCannotBeWrittenToIsSeen(t *testing.T) {
	gone := &conn{Conn: &recorder{err: io.ErrClosedPipe}}
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: writerTo{gone}}, conn: gone}
	if err := a.pass(make([]byte, 8), make([]byte, 0, 8)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// writerTo is a server's writer without its buffers.
type writerTo struct{ io.Writer }

func (writerTo) Header() http.Header { return nil }
func (writerTo) WriteHeader(int)     {}
