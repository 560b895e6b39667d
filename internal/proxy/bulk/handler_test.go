package bulk_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/bulk"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
)

const large = 3<<20 + 17

// protocols are the ways of visitors.
var protocols = map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true}

// visitor is a client of a Caddy that passes large answers on.
type visitor struct {
	*testing.T
	client *http.Client
	url    string
}

func newVisitor(t *testing.T, http2 bool, upstream http.HandlerFunc) *visitor {
	t.Helper()
	origin := httptest.NewServer(upstream)
	t.Cleanup(origin.Close)
	address, id := caddytest.RunTLS(t, &caddyhttp.Server{
		ListenerWrappersRaw: []json.RawMessage{module("wrapper", "test_counter"), module("wrapper", "tale_bulk"), module("wrapper", "tls")},
		Routes: caddyhttp.RouteList{caddytest.Handle(
			caddytest.Handler("tale_bulk", struct{}{}),
			caddytest.Handler("reverse_proxy", reverseproxy.Handler{
				Upstreams:    reverseproxy.UpstreamPool{{Dial: origin.Listener.Addr().String()}},
				TransportRaw: caddyconfig.JSONModuleObject(bulk.Transport{}, "protocol", "tale_bulk", nil),
			}),
		)},
	})
	transport := &http.Transport{TLSClientConfig: id.ClientConfig(), ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{T: t, client: &http.Client{Transport: transport}, url: "https://" + address + "/"}
}

func module(key, name string) json.RawMessage {
	return caddyconfig.JSONModuleObject(struct{}{}, key, name, nil)
}

func (v *visitor) get(ctx context.Context) *http.Response {
	v.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, nil)
	if err != nil {
		v.Fatal(err)
	}
	response, err := v.client.Do(request)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func announce(w http.ResponseWriter, length int) {
	w.Header().Set("Content-Length", strconv.Itoa(length))
}

func TestLargeAnswersArriveAsTheyAre(t *testing.T) {
	data := make([]byte, large)
	_, _ = rand.Read(data)
	for protocol, http2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			v := newVisitor(t, http2, func(w http.ResponseWriter, _ *http.Request) {
				announce(w, large)
				_, _ = w.Write(data)
			})
			for range 3 { // on one connection
				response := v.get(t.Context())
				got, err := io.ReadAll(response.Body)
				if err != nil || response.Proto != protocol || !bytes.Equal(got, data) {
					t.Fatalf("over %s: %d of %d bytes, %v", response.Proto, len(got), large, err)
				}
			}
		})
	}
}

// What came before an upstream pauses arrives before it goes on, but for what
// the buffers of net/http keep of any answer without a flush.
func TestNothingIsHeldBack(t *testing.T) {
	for protocol, http2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			const first, buffers = 300<<10 + 5, 8 << 10
			goOn := make(chan struct{})
			v := newVisitor(t, http2, func(w http.ResponseWriter, _ *http.Request) {
				announce(w, large)
				_, _ = w.Write(make([]byte, first))
				_ = http.NewResponseController(w).Flush()
				<-goOn
				_, _ = w.Write(make([]byte, large-first))
			})
			response := v.get(t.Context())
			if _, err := io.ReadFull(response.Body, make([]byte, first-buffers)); err != nil {
				t.Fatal(err)
			}
			close(goOn)
			if rest, err := io.Copy(io.Discard, response.Body); rest != large-first+buffers || err != nil {
				t.Errorf("then %d bytes, %v", rest, err)
			}
		})
	}
}

// A stream is flushed event by event, even one that announces a length.
func TestEventsOfAnAnnouncedLengthAreNotHeldBack(t *testing.T) {
	for protocol, http2 := range protocols {
		for name, value := range map[string]string{"Content-Type": "text/event-stream; charset=utf-8", "Incremental": "?1"} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				const first, event = 33 << 10, 100
				goOn := make(chan struct{})
				v := newVisitor(t, http2, func(w http.ResponseWriter, _ *http.Request) {
					announce(w, large)
					w.Header().Set(name, value)
					for _, n := range []int{first, event} {
						_, _ = w.Write(make([]byte, n))
						_ = http.NewResponseController(w).Flush()
					}
					select {
					case <-goOn:
					case <-time.After(10 * time.Second):
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				defer close(goOn)
				if n, err := io.ReadFull(v.get(ctx).Body, make([]byte, first+event)); err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		}
	}
}

// A visitor must not take half an answer for a whole one.
func TestAnAnswerThatBreaksOffIsSeenAsBroken(t *testing.T) {
	for protocol, http2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			v := newVisitor(t, http2, func(w http.ResponseWriter, _ *http.Request) {
				announce(w, large)
				_, _ = w.Write(make([]byte, large/2))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			n, err := io.Copy(io.Discard, v.get(t.Context()).Body)
			if err == nil || n > large/2 {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// An upstream stops when nobody reads any more.
func TestAVisitorWhoLeavesEndsTheUpstreamsWork(t *testing.T) {
	for protocol, http2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			ended := make(chan error, 1)
			v := newVisitor(t, http2, func(w http.ResponseWriter, r *http.Request) {
				announce(w, 1<<40)
				var err error
				for err == nil && r.Context().Err() == nil {
					_, err = w.Write(make([]byte, 1<<20))
				}
				ended <- errors.Join(err, r.Context().Err())
			})
			ctx, leave := context.WithCancel(t.Context())
			if _, err := io.ReadFull(v.get(ctx).Body, make([]byte, large)); err != nil {
				t.Fatal(err)
			}
			leave()
			if err := <-ended; err == nil {
				t.Error("it wrote on")
			}
		})
	}
}

func TestAHeadOfALargeAnswerHasNoBody(t *testing.T) {
	v := newVisitor(t, false, func(w http.ResponseWriter, _ *http.Request) { announce(w, large) })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, v.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := v.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ContentLength != large {
		t.Errorf("announced %d bytes", response.ContentLength)
	}
}
