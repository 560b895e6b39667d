package assets_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// babble serves a connection of a server that sends more than its answers: behind each
// comes, with it or when the next request is there, an answer that nobody has asked for.
func babble(conn net.Conn, seed uint64, page string) {
	defer func() { _ = conn.Close() }()
	random := rand.New(rand.NewPCG(seed, 1))
	reader := bufio.NewReader(conn)
	late := ""
	for {
		path, err := requestPath(reader)
		if err != nil {
			return
		}
		kind, body, stray := "text/javascript", "/* "+path+" */", "/* "+canary+" */" // too short to be compressed
		if path == "/" {
			kind, body = "text/html", page
		}
		if path == "/health" {
			body, stray = "", ""
		}
		answer := func(kind, body string) string {
			return "HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\nCache-Control: immutable\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
		}
		text := late + answer(kind, body)
		if late = ""; stray != "" {
			late = answer("text/javascript", stray)
		}
		if random.IntN(2) == 0 {
			text, late = text+late, ""
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

// requestPath reads the head of a request.
func requestPath(reader *bufio.Reader) (path string, err error) {
	for {
		line, err := reader.ReadString('\n')
		switch {
		case err != nil:
			return "", err
		case line == "\r\n":
			return path, nil
		case path == "":
			_, path, _ = strings.Cut(line, " ")
			path, _, _ = strings.Cut(path, " ")
		}
	}
}

// What a server sends behind the answer to one request of the proxy's own must not be
// kept as the answer to the next.
func TestNothingBehindAnAnswerIsKept(t *testing.T) {
	s := newStage(t, blue(), green())
	var page strings.Builder
	const files = 60
	for i := range files {
		fmt.Fprintf(&page, `<script src="/assets/part%d-BxYz12_a.js"></script>`, i)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.ips[0], strconv.Itoa(s.vacate())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for seed := uint64(0); ; seed++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go babble(conn, seed, page.String())
		}
	}()
	s.awaitServing()
	s.get("/")
	s.awaitKept(files)
	blobs, _ := filepath.Glob(filepath.Join(s.handler.Folder, "blobs", "*"))
	if len(blobs) < files {
		t.Errorf("%d blobs", len(blobs))
	}
	for _, name := range blobs {
		if data, err := os.ReadFile(name); err == nil && strings.Contains(string(data), canary) {
			t.Errorf("%s was not asked for", name)
		}
	}
}
