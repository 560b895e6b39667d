package limits

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// stuck is a visitor who takes nothing until the connection is closed.
type stuck struct {
	*httptest.ResponseRecorder
	conn net.Conn
	end  error
}

func (s *stuck) FlushError() error {
	_ = s.conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, s.end = s.conn.Read(make([]byte, 1))
	return s.end
}

func TestWhoDoesNotTakeARefusalLosesTheConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	app, network := &App{}, netip.MustParsePrefix("192.0.2.1/32")
	app.connections.take(network)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.ProtoMajor = 2
	w := &stuck{httptest.NewRecorder(), theirs, nil}
	turnAway(w, r.WithContext(context.WithValue(t.Context(), connKey{}, newConn(ours, app, network))))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || w.Body.Len() != 0 {
		t.Errorf("the answer is %d with %v and %q", w.Code, w.Header(), w.Body)
	}
	if !errors.Is(w.end, io.EOF) || app.connections.count() != 0 {
		t.Errorf("the connection stays open: %v", w.end)
	}
}
