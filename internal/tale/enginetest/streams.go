package enginetest

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
)

type event struct {
	events.Message
	lost bool
}

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

// SetFile puts a file into a container, by name.
func (s *Server) SetFile(container, path, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[container+":"+path] = content
}

// emit tells what has happened to a container. The lock is held.
func (s *Server) emit(b *box, action string, more map[string]string) {
	attributes := map[string]string{"name": b.Name[1:], "image": b.Config.Image}
	for _, from := range []map[string]string{b.Config.Labels, more} {
		for name, value := range from {
			attributes[name] = value
		}
	}
	now := time.Now()
	lost := s.lose[action] > 0
	if lost {
		s.lose[action]--
	}
	s.events = append(s.events, event{events.Message{
		Type: "container", Action: events.Action(action), Actor: events.Actor{ID: b.ID, Attributes: attributes}, Time: now.Unix(), TimeNano: now.UnixNano(),
	}, lost})
	s.notify()
}

func (s *Server) serveStreams(mux *http.ServeMux) {
	mux.HandleFunc("GET /events", s.sendEvents)
	mux.HandleFunc("GET /containers/{id}/logs", s.sendLog)
	mux.HandleFunc("GET /containers/{id}/archive", s.sendFile)
	mux.HandleFunc("PUT /containers/{id}/archive", s.takeFiles)
	mux.HandleFunc("POST /containers/{id}/attach", s.attach)
	mux.HandleFunc("POST /containers/{id}/wait", s.wait)
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

func (s *Server) sendEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush() // before it subscribes, as the engine does
	since, live := moment(r.URL.Query().Get("since"))
	s.mu.Lock()
	next := len(s.events)
	if live {
		next = 0
	}
	for {
		var messages []events.Message
		for _, e := range s.events[next:] {
			if !e.lost && matches(r, e.Actor.Attributes) && wanted(r, string(e.Action)) && e.TimeNano >= since.UnixNano() {
				messages = append(messages, e.Message)
			}
		}
		next = len(s.events)
		changed := s.changed
		s.mu.Unlock()
		for _, message := range messages {
			_ = json.NewEncoder(w).Encode(message)
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
	}
}

// wanted applies the filter of events; health_status stands for all of its kind.
func wanted(r *http.Request, action string) bool {
	var filters map[string]map[string]bool
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	kind, _, _ := strings.Cut(action, ":")
	return len(filters["event"]) == 0 || filters["event"][action] || filters["event"][kind]
}

// moment reads seconds.nanoseconds.
func moment(text string) (time.Time, bool) {
	if text == "" {
		return time.Unix(0, 0), false
	}
	whole, part, _ := strings.Cut(text, ".")
	seconds, _ := strconv.ParseInt(whole, 10, 64)
	nanos, _ := strconv.ParseInt(part, 10, 64)
	return time.Unix(seconds, nanos), true
}

func (s *Server) sendLog(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	if err != nil {
		s.mu.Unlock()
		fail(w, err)
		return
	}
	follow := query.Get("follow") != ""
	if follow && s.cutLogs > 0 {
		s.cutLogs--
		s.mu.Unlock()
		return
	}
	since, _ := moment(query.Get("since"))
	from := 0
	if tail, err := strconv.Atoi(query.Get("tail")); err == nil {
		from = max(0, len(b.log)-tail)
	}
	for {
		lines := slices.Clone(b.log[from:])
		from = len(b.log)
		changed, running := s.changed, b.State.Running && slices.Contains(s.containers, b)
		s.mu.Unlock()
		for _, line := range lines {
			if !line.at.Before(since) {
				sendLine(w, line, b.Config.Tty)
			}
		}
		_ = http.NewResponseController(w).Flush()
		if !follow || !running {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
	}
}

// longestMessage is where the engine cuts a line into several messages.
const longestMessage = 16 << 10

func sendLine(w io.Writer, line logged, terminal bool) {
	text := []byte(line.text + "\n")
	for len(text) > 0 {
		part := text[:min(len(text), longestMessage)]
		text = text[len(part):]
		message := append([]byte(line.at.Format("2006-01-02T15:04:05.000000000Z07:00")+" "), part...)
		if terminal {
			_, _ = w.Write(message)
			continue
		}
		kind := byte(1)
		if line.stderr {
			kind = 2
		}
		_, _ = w.Write(frame(kind, message))
	}
}

func frame(kind byte, content []byte) []byte {
	header := [8]byte{kind}
	binary.BigEndian.PutUint32(header[4:], uint32(len(content)))
	return append(header[:], content...)
}

// File returns a file of a container, by name, and the number of its owner.
func (s *Server) File(container, path string) (content string, owner int, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, found = s.files[container+":"+path]
	return content, s.owners[container+":"+path], found
}

// RemoveFile removes a file of a container, by name.
func (s *Server) RemoveFile(container, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, container+":"+path)
}

// sendFile sends a file, or all that are below a folder.
func (s *Server) sendFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	name := r.URL.Query().Get("path")
	found := map[string]string{}
	if err == nil {
		for key, content := range s.files {
			file, ours := strings.CutPrefix(key, b.Name[1:]+":")
			if ours && (file == name || strings.HasPrefix(file, name+"/")) {
				found[path.Base(name)+strings.TrimPrefix(file, name)] = content
			}
		}
	}
	s.mu.Unlock()
	if len(found) == 0 {
		fail(w, problem{http.StatusNotFound, "Could not find the file " + name + " in container " + r.PathValue("id")})
		return
	}
	stat, _ := json.Marshal(container.PathStat{Name: path.Base(name), Mode: 0o644})
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
	archive := tar.NewWriter(w)
	for _, file := range slices.Sorted(maps.Keys(found)) {
		_ = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file, Size: int64(len(found[file])), Mode: 0o644})
		_, _ = archive.Write([]byte(found[file]))
	}
	_ = archive.Close()
}

// takeFiles unpacks what is sent.
func (s *Server) takeFiles(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.find(r.PathValue("id"))
	if err != nil {
		fail(w, err)
		return
	}
	archive := tar.NewReader(r.Body)
	for {
		header, err := archive.Next()
		if err != nil {
			return // its end, or that of the connection
		}
		if content, err := io.ReadAll(archive); err == nil && header.Typeflag == tar.TypeReg {
			key := b.Name[1:] + ":" + path.Join(r.URL.Query().Get("path"), header.Name)
			s.files[key], s.owners[key] = string(content), header.Uid
		}
	}
}

// upgrade turns a request into a bare connection.
func upgrade(w http.ResponseWriter) (net.Conn, io.Reader, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_, err = fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	return conn, buffered, err
}

func closed(conn net.Conn) { _ = conn.Close() }

// attach ends a container that reads its input once with the connection.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	streams := &multiplexer{}
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	works := err == nil && s.works(b)
	if works && r.URL.Query().Get("stdout") != "" {
		streams.mu.Lock() // before the client can start it
		b.streams = streams
	}
	s.mu.Unlock()
	if err != nil {
		fail(w, err)
		return
	}
	conn, input, err := upgrade(w)
	if err != nil {
		return
	}
	defer closed(conn)
	if b.streams == streams {
		streams.conn = conn
		streams.mu.Unlock()
	}
	ended := make(chan struct{})
	go s.untilGone(b, conn, !works, ended)
	if works {
		_, _ = io.Copy(b.attend, input)
		_ = b.attend.Close()
		if b.streams == streams {
			s.awaitEnd(nil, b, 0) // the request's context may have ended with the client's input
		}
	} else {
		_, _ = io.Copy(io.Discard, input)
	}
	close(ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Config.StdinOnce && b.State.Running && !works {
		s.die(b, 0, false)
	}
}

// untilGone closes a connection when its container is gone; holds says that it is a lock's.
func (s *Server) untilGone(b *box, conn net.Conn, holds bool, ended <-chan struct{}) {
	defer closed(conn)
	for held := false; ; {
		s.mu.Lock()
		changed, there, running := s.changed, slices.Contains(s.containers, b), b.State.Running
		s.mu.Unlock()
		if !there {
			return
		}
		if running && !held && holds {
			held = true
			_, _ = conn.Write(frame(1, []byte("held\n")))
		}
		select {
		case <-changed:
		case <-ended:
			return
		}
	}
}

// wait answers when a container has ended (once more, for next-exit), and that it will as soon as
// it is asked.
func (s *Server) wait(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	before := 0
	if err == nil {
		before = b.deaths
		if r.URL.Query().Get("condition") == string(container.WaitConditionNotRunning) && !b.State.Running {
			before-- // it has ended
		}
	}
	s.mu.Unlock()
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush()
	if s.awaitEnd(r.Context().Done(), b, before) {
		s.mu.Lock()
		code := b.State.ExitCode
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(container.WaitResponse{StatusCode: int64(code)})
	}
}

// awaitEnd waits until a container has died more often than before, or is gone.
func (s *Server) awaitEnd(gone <-chan struct{}, b *box, before int) (ended bool) {
	for {
		s.mu.Lock()
		changed, over := s.changed, b.deaths > before || !slices.Contains(s.containers, b)
		s.mu.Unlock()
		if over {
			return true
		}
		select {
		case <-changed:
		case <-gone:
			return false
		}
	}
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
