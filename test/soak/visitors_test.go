package soak

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// visitors make the traffic.
type visitors struct {
	t       *testing.T
	p       *proxyProcess
	clients [2]*http.Client // HTTP/1.1, HTTP/2

	answered, maintenance, sockets, events atomic.Int64
}

func newVisitors(t *testing.T, p *proxyProcess) *visitors {
	return &visitors{t: t, p: p, clients: [2]*http.Client{p.client(false), p.client(true)}}
}

func (v *visitors) finish() {
	for _, c := range v.clients {
		c.CloseIdleConnections()
	}
}

func (v *visitors) client() *http.Client { return v.clients[rand.IntN(2)] }

// request asks at the rate, one request after the other.
func (v *visitors) request(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	tick := time.NewTicker(time.Second / time.Duration(*rate))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		all.Go(func() { v.requestOne(ctx, i) })
	}
}

// requestOne asks for one thing or another.
func (v *visitors) requestOne(ctx context.Context, i int) {
	switch {
	case i%50 == 0:
		v.ask(ctx, http.MethodGet, "/api/slow", nil, true)
	case i%20 == 0:
		v.ask(ctx, http.MethodGet, "/large", nil, false)
	case i%10 == 0:
		v.ask(ctx, http.MethodGet, "/large", nil, true)
	case i%7 == 0:
		v.ask(ctx, http.MethodGet, "/page", nil, true)
	case i%4 == 1:
		v.ask(ctx, http.MethodGet, assetName(rand.IntN(assetNumber)), nil, true)
	case i%3 == 0:
		v.ask(ctx, http.MethodPost, "/form", bytes.Repeat([]byte("x"), rand.IntN(20<<10)), true)
	default:
		v.ask(ctx, http.MethodGet, "/small", nil, true)
	}
}

// ask sends a request and reads the answer, or only its beginning.
func (v *visitors) ask(ctx context.Context, method, path string, body []byte, whole bool) {
	asking, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(asking, method, v.p.url+path, bytes.NewReader(body))
	if err != nil {
		v.t.Error(err)
		return
	}
	response, err := v.client().Do(request)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		v.t.Errorf("%s %s: %v", method, path, err)
		return
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		v.maintenance.Add(1)
	default:
		v.t.Errorf("%s %s: %s", method, path, response.Status)
	}
	v.answered.Add(1)
	if whole {
		_, _ = io.Copy(io.Discard, response.Body)
		return
	}
	_, _ = io.CopyN(io.Discard, response.Body, 10<<10)
}

// useSockets opens one WebSocket after the other, for a few messages each.
func (v *visitors) useSockets(ctx context.Context) {
	for ctx.Err() == nil {
		socket, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(v.p.url, "https")+"/api/soak/sync", &websocket.DialOptions{HTTPClient: v.clients[0]})
		if err != nil {
			if ctx.Err() == nil {
				v.t.Errorf("cannot open a socket: %v", err)
			}
			return
		}
		v.sockets.Add(1)
		v.talk(ctx, socket)
		if rand.IntN(2) == 0 {
			_ = socket.Close(websocket.StatusNormalClosure, "")
		}
		_ = socket.CloseNow()
	}
}

func (v *visitors) talk(ctx context.Context, socket *websocket.Conn) {
	for range 1 + rand.IntN(10) {
		message := bytes.Repeat([]byte("m"), 1+rand.IntN(5000))
		if err := socket.Write(ctx, websocket.MessageText, message); err != nil && ctx.Err() == nil {
			v.t.Errorf("cannot send: %v", err)
			return
		}
		_, back, err := socket.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil || !bytes.Equal(back, message) {
			v.t.Errorf("cannot receive: got %d bytes, %v", len(back), err)
			return
		}
		pause.For(ctx, time.Duration(rand.IntN(400))*time.Millisecond)
	}
}

// watchEvents opens one event stream after the other, and leaves it.
func (v *visitors) watchEvents(ctx context.Context) {
	for ctx.Err() == nil {
		watching, cancel := context.WithTimeout(ctx, time.Duration(1+rand.IntN(4000))*time.Millisecond)
		request, err := http.NewRequestWithContext(watching, http.MethodGet, v.p.url+"/events", nil)
		if err != nil {
			cancel()
			v.t.Error(err)
			return
		}
		if response, err := v.client().Do(request); err == nil {
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if lines.Text() == "data: tick" {
					v.events.Add(1)
					break
				}
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		cancel()
		pause.For(ctx, 50*time.Millisecond)
	}
}
