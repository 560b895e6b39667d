package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// smallBuffer makes sockets whose own end of a connection holds next to nothing.
func smallBuffer(option int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(descriptor uintptr) { _ = unix.SetsockoptInt(int(descriptor), unix.SOL_SOCKET, option, 4096) })
	}
}

// What an application can send although its visitors take nothing is what the proxy and the
// kernel hold. The kernel alone would hold some megabytes of each answer.
func TestLittleIsHeldOfWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	const visitors, most = 24, 1 << 20 // of each
	var sent atomic.Int64
	platform := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000000")
		for piece := make([]byte, 16<<10); r.Context().Err() == nil; {
			n, err := w.Write(piece)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	listen := net.ListenConfig{Control: smallBuffer(unix.SO_SNDBUF)}
	var err error
	_ = platform.Listener.Close()
	if platform.Listener, err = listen.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	platform.Start()
	t.Cleanup(platform.CloseClientConnections)
	t.Cleanup(platform.Close)
	p := spawnReady(t, environ(t, config.Environ{"PLATFORM_UPSTREAM": platform.Listener.Addr().String(), "GOMEMLIMIT": "64MiB"}))
	dialer := net.Dialer{Control: smallBuffer(unix.SO_RCVBUF)}
	for range visitors {
		c, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		over := tls.Client(c, &tls.Config{RootCAs: p.roots, ServerName: siteName})
		if _, err := fmt.Fprintf(over, "GET /big HTTP/1.1\r\nHost: %s\r\n\r\n", siteName); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "nothing more is sent", func() bool {
		before := sent.Load()
		still, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		<-still.Done()
		return before > 0 && sent.Load() == before
	})
	if each := sent.Load() / visitors; each > most {
		t.Errorf("%d KiB are held of each of %d answers, %d at most", each>>10, visitors, most>>10)
	}
}
