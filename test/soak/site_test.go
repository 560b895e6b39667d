package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const alias = "platform.soak.test"

// site is what is behind the proxy: the application in two colours under one
// name, and the backend.
type site struct {
	dns     *upstreamstest.DNS
	ips     [2]string
	port    int
	colours [2]*upstreamstest.Service
	backend *httptest.Server
}

func newSite(t *testing.T) *site {
	network := "127." + strconv.Itoa(1+rand.IntN(250)) + "." + strconv.Itoa(rand.IntN(250))
	s := &site{dns: upstreamstest.NewDNS(t), ips: [2]string{network + ".1", network + ".2"}}
	s.port = upstreamstest.FreePort(t, s.ips[:]...)
	for i, ip := range s.ips {
		s.colours[i] = upstreamstest.NewService(t, "colour "+strconv.Itoa(i), ip, s.port, http.HandlerFunc(application))
	}
	s.colours[1].Stop()
	s.dns.Set(alias, s.ips[0])
	mux := http.NewServeMux()
	mux.HandleFunc("/api/soak/sync", echo)
	mux.HandleFunc("/http/api/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, `{"slow":true}`)
	})
	mux.HandleFunc("/version", func(http.ResponseWriter, *http.Request) {})
	s.backend = httptest.NewServer(mux)
	t.Cleanup(s.backend.Close)
	return s
}

func (s *site) await(p *proxyProcess) {
	testkit.Eventually(p.t, "the site is served", func() bool {
		response, err := p.client(false).Get(p.url + "/small")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// swapColours replaces one colour by the other, as a deployment tool does; every
// third time, the old one goes before the new one comes.
func (s *site) swapColours(ctx context.Context) {
	for turn := 1; pause.For(ctx, swapped); turn++ {
		next, last := turn%2, 1-turn%2
		if turn%3 == 0 {
			s.dns.Set(alias)
			s.colours[last].Stop()
			pause.For(ctx, outage)
			s.colours[next].Start()
			s.dns.Set(alias, s.ips[next])
			continue
		}
		s.colours[next].Start()
		s.dns.Set(alias, s.ips[last], s.ips[next])
		pause.For(ctx, 3*time.Second)
		s.dns.Set(alias, s.ips[next])
		pause.For(ctx, 2*time.Second)
		s.colours[last].Stop()
	}
}

const (
	// assetNumber files, three times what there is room for, are asked for at random.
	assetNumber = 300
	assetsLimit = 4 << 20
)

// asset returns a script, whose compressed forms take about as much room as itself.
func asset(i int) string {
	var text strings.Builder
	for chance := rand.New(rand.NewPCG(uint64(i), 0)); text.Len() < 20<<10; {
		fmt.Fprintf(&text, "export const part%x = %d;\n", chance.Uint32(), chance.Uint32())
	}
	return text.String()
}

func assetName(i int) string { return fmt.Sprintf("/assets/part-%05da9f.js", i) }

var large = make([]byte, 1<<20)

func application(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/large":
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(large)
	case "/page":
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(large[:64<<10]) // compressed on the way
	case "/events":
		events(w, r)
	default:
		var i int
		if n, _ := fmt.Sscanf(r.URL.Path, "/assets/part-%05da9f.js", &i); n == 1 {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, asset(i))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"small":true}`)
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		if _, err := io.WriteString(w, "data: tick\n\n"); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		if !pause.For(r.Context(), 50*time.Millisecond) {
			return
		}
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = socket.CloseNow() }()
	for {
		kind, message, err := socket.Read(r.Context())
		if err != nil || socket.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}
