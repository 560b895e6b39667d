package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// strictUpstream is a server that finds fault with every request that two
// servers could read differently (RFC 9112), and keeps all it got. The web server
// and the backend behind a real proxy are more lenient, each in its own way.
type strictUpstream struct {
	mu     sync.Mutex
	heads  []string // requests, without probes
	faults []string
}

func startStrict(t *testing.T) (u *strictUpstream, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	u = &strictUpstream{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u, listener.Addr().String()
}

// take returns what came since it was called last.
func (u *strictUpstream) take() (heads, faults []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	heads, faults = u.heads, u.faults
	u.heads, u.faults = nil, nil
	return heads, faults
}

func (u *strictUpstream) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for {
		head, err := readHead(reader)
		if head == "" {
			return
		}
		if err == nil {
			err = u.readBody(reader, head)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return // broken off, which nobody takes for a request
		}
		probe := strings.HasPrefix(head, "GET /api/health ") || strings.HasPrefix(head, "GET /version ")
		u.mu.Lock()
		if !probe {
			u.heads = append(u.heads, head)
		}
		if err != nil {
			u.faults = append(u.faults, fmt.Sprintf("%v in %q", err, head))
		}
		u.mu.Unlock()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func readHead(reader *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := reader.ReadString('\n')
		head.WriteString(line)
		switch {
		case err != nil:
			return head.String(), err
		case !strings.HasSuffix(line, "\r\n"):
			return head.String(), errors.New("a bare line feed")
		case line == "\r\n":
			return head.String(), nil
		}
	}
}

var (
	requestLine = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]+ [^\x00-\x20\x7f]+ HTTP/1\.1$`)
	fieldLine   = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)$`)
)

// fieldsOf checks the form of a head and returns its fields by lower-case name.
func fieldsOf(head string) (map[string][]string, error) {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	if !requestLine.MatchString(lines[0]) {
		return nil, errors.New("a malformed request line")
	}
	fields := map[string][]string{}
	for _, line := range lines[1:] {
		field := fieldLine.FindStringSubmatch(line)
		if field == nil {
			return nil, fmt.Errorf("the malformed field %q", line)
		}
		name := strings.ToLower(field[1])
		fields[name] = append(fields[name], field[2])
	}
	if len(fields["host"]) != 1 {
		return nil, errors.New("not one Host")
	}
	return fields, nil
}

func (u *strictUpstream) readBody(reader *bufio.Reader, head string) error {
	fields, err := fieldsOf(head)
	if err != nil {
		return err
	}
	length, coding := fields["content-length"], fields["transfer-encoding"]
	switch {
	case len(length)+len(coding) > 1:
		return errors.New("more than one length")
	case len(coding) == 1:
		if coding[0] != "chunked" {
			return errors.New("a coding other than chunked")
		}
		return readChunks(reader)
	case len(length) == 1:
		n, err := strconv.ParseUint(length[0], 10, 62)
		if err != nil || strconv.FormatUint(n, 10) != length[0] {
			return errors.New("a malformed length")
		}
		_, err = io.CopyN(io.Discard, reader, int64(n))
		return err
	}
	return nil
}

var chunkLine = regexp.MustCompile(`^[0-9a-f]+\r\n$`)

func readChunks(reader *bufio.Reader) error {
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		if !chunkLine.MatchString(line) {
			return fmt.Errorf("the malformed chunk %q", line)
		}
		size, err := strconv.ParseUint(strings.TrimSpace(line), 16, 62)
		if err != nil {
			return err
		}
		if size == 0 {
			trailer, err := readHead(reader)
			if trailer != "\r\n" {
				return fmt.Errorf("the trailer %q", trailer)
			}
			return err
		}
		if _, err := io.CopyN(io.Discard, reader, int64(size)); err != nil {
			return err
		}
		if end, err := reader.ReadString('\n'); err != nil || end != "\r\n" {
			return fmt.Errorf("a chunk that ends in %q, %w", end, err)
		}
	}
}
