package accesslog

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What visitors send must not move the cursor of who reads the log, or turn its lines
// round: many terminals obey the control characters above ASCII, too, and those that JSON
// leaves as they are.
func TestNothingInALineIsMoreThanText(t *testing.T) {
	url, log := runLogged(t, slog.LevelInfo, startUpstream(t, func(http.ResponseWriter, *http.Request) {}), Handler{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	answers := bufio.NewReader(conn)
	random := rand.New(rand.NewPCG(1, 2))
	noise := func() string {
		odd := []string{"\u009b31m", "\u0085", "\u202e", "\u2028", "\u200b", "\ufeff", "\xff", "\x9b", "é", "\U000e0041", "%1b[31m", "%0a", "a", "=", "&", "/", "\"", "\\u001b", "{", "<"}
		var out strings.Builder
		for range 1 + random.IntN(6) {
			out.WriteString(odd[random.IntN(len(odd))])
		}
		return out.String()
	}
	const requests = 300
	for range requests {
		if _, err := fmt.Fprintf(conn, "GET /x/%s?%s HTTP/1.1\r\nHost: site.test\r\n\r\n", strings.ReplaceAll(noise(), "?", ""), noise()); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	log.lines(t, requests)
	for line := range strings.Lines(log.String()) {
		for _, c := range []byte(strings.TrimSuffix(line, "\n")) {
			if c < ' ' || c > '~' {
				t.Fatalf("there is a %#x in %q", c, line)
			}
		}
	}
}

func TestWhatIsCutOffIsNotEscaped(t *testing.T) {
	cost := func(n int) float64 {
		text := strings.Repeat("\xff", n)
		return testing.AllocsPerRun(10, func() {
			if got := plain(text); len(got) != maxLogged+3 || !strings.HasPrefix(got, "%FF%FF") || !strings.HasSuffix(got, "...") {
				t.Errorf("of %d bytes %d are logged", n, len(got))
			}
		})
	}
	if short, long := cost(maxLogged+1), cost(30*maxLogged); long > short {
		t.Errorf("memory is taken %v times for a long text, and %v for what is logged of it", long, short)
	}
}
