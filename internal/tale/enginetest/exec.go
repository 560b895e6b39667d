package enginetest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/moby/moby/api/types/container"
)

// process is a command in a container.
type process struct {
	container string
	command   []string
	stdin     bool
	code      int
}

// ProgramFunc does what a command in a container does, and returns its exit code.
type ProgramFunc func(container string, command []string, in io.Reader, out, errs io.Writer) int

// SetProgram says what commands in containers do.
func (s *Server) SetProgram(run ProgramFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec = run
}

// SetExec does the same for commands that read all of their input before they say anything.
func (s *Server) SetExec(run func(container string, command []string, stdin string) (stdout, stderr string, code int)) {
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		input, _ := io.ReadAll(in)
		stdout, stderr, code := run(container, command, string(input))
		_, _ = io.WriteString(out, stdout)
		_, _ = io.WriteString(errs, stderr)
		return code
	})
}

func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	p, run := s.execs[r.PathValue("exec")], s.exec
	s.mu.Unlock()
	if p == nil || run == nil {
		fail(w, missing("exec instance", r.PathValue("exec")))
		return
	}
	conn, input, err := upgrade(w)
	if err != nil {
		return
	}
	defer closed(conn)
	if !p.stdin {
		input = bytes.NewReader(nil)
	}
	streams := &multiplexer{conn: conn}
	code := run(p.container, p.command, input, streams.stream(1), streams.stream(2))
	s.mu.Lock()
	defer s.mu.Unlock()
	p.code = code
}

// multiplexer writes streams to a connection as the engine does.
type multiplexer struct {
	mu   sync.Mutex
	conn net.Conn
}

func (m *multiplexer) stream(kind byte) io.Writer {
	return writerFunc(func(some []byte) (int, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for content := some; len(content) > 0; {
			part := content[:min(len(content), 32<<10)]
			content = content[len(part):]
			_, _ = m.conn.Write(frame(kind, part)) // nobody may read it: the program goes on, as beside an engine
		}
		return len(some), nil
	})
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(some []byte) (int, error) { return w(some) }

func frame(kind byte, content []byte) []byte {
	header := [8]byte{kind}
	binary.BigEndian.PutUint32(header[4:], uint32(len(content)))
	return append(header[:], content...)
}

func (s *Server) serveExec(mux *http.ServeMux) {
	mux.HandleFunc("POST /exec/{exec}/start", s.run)
	mux.HandleFunc("POST /containers/{id}/exec", s.answer(func(r *http.Request) (any, error) {
		b, err := s.find(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		if !b.State.Running {
			return nil, problem{http.StatusConflict, "Container " + b.ID + " is not running"}
		}
		request, err := read[container.ExecCreateRequest](r)
		id := s.id()
		s.execs[id] = &process{container: b.Name[1:], command: request.Cmd, stdin: request.AttachStdin}
		return container.ExecCreateResponse{ID: id}, err
	}))
	mux.HandleFunc("GET /exec/{exec}/json", s.answer(func(r *http.Request) (any, error) {
		p := s.execs[r.PathValue("exec")]
		if p == nil {
			return nil, missing("exec instance", r.PathValue("exec"))
		}
		return container.ExecInspectResponse{ID: r.PathValue("exec"), ExitCode: &p.code}, nil
	}))
}
