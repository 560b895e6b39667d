package tunnel

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// isStream tells the handshakes of HTTP/3 (RFC 9220): the socket is not a
// connection, but one stream of it.
func isStream(r *http.Request) bool { return r.ProtoMajor == 3 && exchange.IsWebSocket(r) }

// stream is the client's side of a tunnel over HTTP/3.
type stream struct {
	*http3.Stream
	writing sync.Mutex // a stream cannot be closed while it is written to
}

// takeOverStream answers the handshake and takes the stream out of the server.
func takeOverStream(w http.ResponseWriter, answer http.Header) (*stream, error) {
	streamer, ok := innermost(w).(http3.HTTPStreamer)
	if !ok {
		return nil, errors.New("the server does not give its streams away")
	}
	dropHopByHop(answer)
	delete(answer, "Sec-Websocket-Accept") // it answers a key, and there is none
	copyHeader(w.Header(), answer)
	w.WriteHeader(http.StatusOK)
	s := &stream{Stream: streamer.HTTPStream()}
	return s, s.SetDeadline(time.Time{}) // the server has set its own
}

func (s *stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.Stream.Write(p)
}

// CloseWrite tells the client that nothing more will come.
func (s *stream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.Stream.Close()
}

// Close ends both directions. What was written arrives, unless a write is still
// under way.
func (s *stream) Close() error {
	s.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
	if !s.writing.TryLock() {
		s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		return nil
	}
	defer s.writing.Unlock()
	return s.Stream.Close()
}
