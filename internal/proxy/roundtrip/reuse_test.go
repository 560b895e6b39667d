package roundtrip

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// strays are answers that nobody has asked for, in the parts in which they come: before
// the next request is written, and with its own answer.
var strays = map[string][2]string{
	"with a body":        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray", ""},
	"without a body":     {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
	"two":                {strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 2), ""},
	"with a long head":   {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 0\r\n\r\n", ""},
	"in parts":           {"HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r\nstray"},
	"a byte":             {"H", "TTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	"for your patience":  {"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", ""},
	"with another head":  {"HTTP/1.1 304 Not Modified\r\n\r\n", ""},
	"that is no answer":  {"stray\r\n\r\n", ""},
	"in pieces, chunked": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nst", "ray\r\n0\r\n\r\n"},
}

// What an upstream sent before a request was written is no answer to that one, however much
// of it there is, and no request after it gets the answer of that one.
func TestAnAnswerThatWasThereBeforeIsRefused(t *testing.T) {
	for name, parts := range strays {
		for _, traced := range []bool{false, true} {
			t.Run(name, func(t *testing.T) { refusesStray(t, parts, traced) })
		}
	}
}

// straying answers with the path that was asked for; after the first request, once told
// to send, it goes on with a stray answer, the end of which comes with the next.
func straying(t *testing.T, parts [2]string, send <-chan struct{}) (address string) {
	var once sync.Once
	return testkit.Listen(t, func(c net.Conn) {
		rest := ""
		for reader := bufio.NewReader(c); ; {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, rest+"HTTP/1.1 200 OK\r\nX-For: "+request.URL.Path+"\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return
			}
			once.Do(func() {
				<-send
				_, _ = io.WriteString(c, parts[0])
				rest = parts[1]
			})
		}
	})
}

func refusesStray(t *testing.T, parts [2]string, traced bool) {
	send := make(chan struct{})
	address, transport := straying(t, parts, send), newTransport(t)
	var first *conn
	dial := transport.Transport.DialContext
	transport.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if first == nil && err == nil {
			first = c.(*conn)
		}
		return c, err
	}
	ask := func(path string, written func()) (string, error) {
		trace := &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { written() }, Got1xxResponse: func(int, textproto.MIMEHeader) error {
			t.Errorf("%s got a stray word", path)
			return nil
		}}
		if traced {
			trace.GotFirstResponseByte = func() {}
		}
		request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return "", err
		}
		return response.Header.Get("X-For"), response.Body.Close()
	}
	if got, err := ask("/1", func() {}); got != "/1" || err != nil {
		t.Fatalf("the first got %q, %v", got, err)
	}
	before := first.reads.Load()
	arrived := sync.OnceFunc(func() { // the second has its connection, and is not written yet
		close(send)
		testkit.Eventually(t, "the stray answer", func() bool { return first.reads.Load() > before })
	})
	if got, err := ask("/2", arrived); err == nil {
		t.Errorf("the second got %q", got)
	}
	for range 3 {
		if got, err := ask("/3", func() {}); got != "/3" || err != nil {
			t.Errorf("the third got %q, %v", got, err)
		}
	}
}
