package tunnel

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
)

// ways are how the connection of a process ends that says nothing more.
var ways = map[string]func(net.Conn){
	"it ends": func(net.Conn) {},
	"it is reset": func(conn net.Conn) {
		_ = conn.(*net.TCPConn).SetLinger(0)
	},
}

// goingUpstream sends something and is gone as soon as it is told to.
func goingUpstream(t *testing.T, said []byte, way func(net.Conn)) (addr string, leave chan struct{}) {
	leave = make(chan struct{})
	return rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted)
		_, _ = conn.Write(said)
		<-leave
		way(conn)
	}), leave
}

// openSocket returns a socket that has received what the upstream says first.
func openSocket(t *testing.T, target string, first []byte) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target), CloseTimeout: caddy.Duration(5 * time.Second)}))
	conn := rawHandshake(t, addr)
	reader := bufio.NewReader(conn)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(first))
	if _, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, first) {
		t.Fatalf("got % x, %v", got, err)
	}
	return conn, reader
}

// A close frame stands where a frame may begin, once, and nowhere else.
func TestClientIsToldThatItsUpstreamIsGone(t *testing.T) {
	one := frame(1, 5, false)
	stream := append(append(bytes.Clone(one), frame(2, 300, false)...), frame(opcodeClose, 2, false)...)
	ends := map[int]bool{0: true, len(one): true, len(stream) - 4: true} // between frames, none of them the closing one
	for name, way := range ways {
		for _, sent := range []int{0, 1, 2, len(one) - 1, len(one), len(one) + 1, len(one) + 3, len(one) + 4, len(stream) - 5, len(stream) - 4, len(stream) - 3, len(stream)} {
			t.Run(fmt.Sprintf("%s after %d bytes", name, sent), func(t *testing.T) {
				target, leave := goingUpstream(t, stream[:sent], way)
				conn, reader := openSocket(t, target, stream[:sent])
				close(leave)
				var want []byte
				if ends[sent] {
					want = closeFrame()
				}
				got := make([]byte, len(want))
				if _, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("the client got % x, %v, want % x", got, err, want)
				}
				if ends[sent] {
					_, _ = conn.Write(maskedCloseFrame()) // as a browser answers
				} else {
					_ = conn.CloseWrite()
				}
				if rest, err := io.ReadAll(reader); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("then the client got % x, %v", rest, err)
				}
			})
		}
	}
}

// What a client says meanwhile finds nobody, and must not lose it the close frame.
func TestClientThatSpeaksIsToldThatItsUpstreamIsGone(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			target, leave := goingUpstream(t, nil, way)
			conn, reader := openSocket(t, target, nil)
			var speaking sync.WaitGroup
			speaking.Go(func() {
				for err := error(nil); err == nil; { // to the end of the socket
					_, err = conn.Write(frame(2, 5000, true))
				}
			})
			close(leave)
			if got, err := io.ReadAll(io.LimitReader(reader, 4)); err != nil || !bytes.Equal(got, closeFrame()) {
				t.Errorf("the client got % x, %v", got, err)
			}
			_ = conn.Close()
			speaking.Wait()
		})
	}
}
