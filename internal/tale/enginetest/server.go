// Package enginetest is a Docker engine in memory for tests: it speaks the part of the
// API that package engine uses, over a Unix socket, its containers live by a script, and
// it fails as it is told. It also plays the docker command with its compose plugin
// (Docker). It is no judge of what a real engine accepts: the tests against one are.
package enginetest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/api/types/volume"
)

// Server is the engine. What its fields say may be changed before it is first asked.
type Server struct {
	API     string        // version of the API
	Info    system.Info   // what it says of itself
	Ahead   time.Duration // of this process is its clock, as it says
	Product string        // what it calls itself in its version
	Compose string        // version of the compose plugin, "" is none
	Disk    string        // what a helper finds: free and total bytes
	Logging string        // driver of the logs of containers that name none, "none" keeps nothing

	socket string

	mu         sync.Mutex
	changed    chan struct{} // closed, and replaced, at each change
	calls      []string
	faults     []*fault
	lose       map[string]int
	containers []*box
	lives      map[string]Life
	images     []Image
	remote     map[string]Image
	networks   map[string]*network.Inspect
	volumes    map[string]*volume.Volume
	events     []event
	execs      map[string]*process
	exec       ProgramFunc
	helper     HelperFunc
	files      map[string]string
	owners     map[string]int // of the files that were sent
	logins     []registry.AuthConfig
	made       int
}

// New starts an engine with nothing in it, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	folder, err := os.MkdirTemp("", "engine") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	s := &Server{
		API: "1.41", Product: "Engine", Compose: "2.40.3", Disk: "50000000000 100000000000",
		Info: system.Info{
			ID: "FAKE:" + filepath.Base(folder), Name: host, ServerVersion: "20.10.24", OSType: "linux", Architecture: "x86_64",
			MemTotal: 16 << 30, NCPU: 4, DockerRootDir: folder,
		},
		socket: filepath.Join(folder, "s"), changed: make(chan struct{}), lose: map[string]int{}, lives: map[string]Life{}, remote: map[string]Image{},
		networks: map[string]*network.Inspect{}, volumes: map[string]*volume.Volume{}, execs: map[string]*process{}, files: map[string]string{}, owners: map[string]int{},
	}
	listener, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	stop := make(chan struct{})
	go s.live(stop)
	t.Cleanup(func() {
		close(stop)
		_ = server.Close()
		<-done
		locks, _ := filepath.Glob(filepath.Join(os.TempDir(), "tale-FAKE-"+filepath.Base(folder)+"-*.lock")) // the pattern is well formed
		for _, left := range append(locks, folder) {
			_ = os.RemoveAll(left)
		}
	})
	return s
}

// Host returns the address, as DOCKER_HOST.
func (s *Server) Host() string { return "unix://" + s.socket }

// Calls returns what has been asked so far: method and path, without the version.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// Changes returns those of Calls that change something.
func (s *Server) Changes() []string {
	var changes []string
	for _, call := range s.Calls() {
		if !strings.HasPrefix(call, http.MethodGet) && !strings.HasPrefix(call, http.MethodHead) {
			changes = append(changes, call)
		}
	}
	return changes
}

// Fault is how a request goes wrong.
type Fault struct {
	Status  int           // the answer, with Message
	Message string        //
	Hang    bool          // no answer until the client goes
	Slow    time.Duration // before the true answer
	Drop    bool          // the connection is closed instead of an answer
	Cut     int           // … after so many bytes of the true answer
	Garbled bool          // the answer is no JSON
	Stream  string        // of a pull: the errorDetail after some progress
	After   int           // so many requests go well before
}

type fault struct {
	Fault
	method string
	path   *regexp.Regexp
	left   int
}

// Fault makes the next times requests (-1: all) go wrong, of a method ("": any) and a
// path, without the version, in which * stands for anything.
func (s *Server) Fault(method, path string, f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, ".*") + "$")
	s.faults = append(s.faults, &fault{f, method, pattern, times})
}

// Mend ends all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// LoseEvents keeps the next times events of an action from those who listen.
func (s *Server) LoseEvents(action string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose[action] = times
}

// notify wakes those who wait for a change. The lock is held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// id makes something like the engine's ids. The lock is held.
func (s *Server) id() string {
	s.made++
	return fmt.Sprintf("%064x", s.made)
}

// begin notes a request and returns the fault that it meets.
func (s *Server) begin(method, path string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, method+" "+path)
	for _, f := range s.faults {
		if f.left != 0 && (f.method == "" || f.method == method) && f.path.MatchString(path) {
			if f.After--; f.After >= 0 {
				continue
			}
			f.left--
			return f.Fault
		}
	}
	return Fault{}
}

var version = regexp.MustCompile(`^/v1\.\d+/`)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("OK")) })
	mux.HandleFunc("GET /info", s.answer(func(*http.Request) (any, error) {
		info := s.Info
		info.SystemTime = time.Now().Add(s.Ahead).UTC().Format(time.RFC3339Nano)
		return info, nil
	}))
	mux.HandleFunc("GET /version", s.answer(func(*http.Request) (any, error) {
		return system.VersionResponse{Components: []system.ComponentVersion{{Name: s.Product, Version: s.Info.ServerVersion}}}, nil
	}))
	s.serveContainers(mux)
	s.serveExec(mux)
	mux.HandleFunc("GET /events", s.sendEvents)
	mux.HandleFunc("GET /containers/{id}/logs", s.sendLog)
	mux.HandleFunc("GET /containers/{id}/archive", s.sendFile)
	mux.HandleFunc("PUT /containers/{id}/archive", s.takeFiles)
	mux.HandleFunc("POST /containers/{id}/attach", s.attach)
	mux.HandleFunc("POST /containers/{id}/wait", s.wait)
	s.serveImages(mux)
	s.serveNetworks(mux)
	s.serveVolumes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.ReplaceAllString(r.URL.Path, "/")
		w.Header().Set("Api-Version", s.API)
		f := s.begin(r.Method, r.URL.Path)
		if f.Slow > 0 {
			pause(r, f.Slow)
		}
		switch {
		case f.Hang:
			<-r.Context().Done()
		case f.Drop:
			panic(http.ErrAbortHandler)
		case f.Status != 0:
			fail(w, problem{f.Status, f.Message})
		case f.Garbled:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"Id": [`))
		case f.Cut > 0:
			mux.ServeHTTP(&cutter{w, f.Cut}, r)
		case f.Stream != "":
			s.brokenPull(w, f.Stream)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func pause(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// cutter closes the connection after some bytes of the body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(data []byte) (int, error) {
	if len(data) < c.left {
		c.left -= len(data)
		return c.ResponseWriter.Write(data)
	}
	_, _ = c.ResponseWriter.Write(data[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Hijack returns a connection that ends the same way.
func (c *cutter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(c.ResponseWriter).Hijack()
	return &cutConn{Conn: conn, left: c.left}, buffered, err
}

type cutConn struct {
	net.Conn
	left    int
	greeted bool // the answer's head is none of its body
}

func (c *cutConn) Write(data []byte) (int, error) {
	if !c.greeted {
		c.greeted = true
		return c.Conn.Write(data)
	}
	some, err := c.Conn.Write(data[:min(len(data), c.left)])
	if c.left -= some; c.left == 0 {
		_ = c.Close()
	}
	return some, err
}

// problem is an answer that is none.
type problem struct {
	status  int
	message string
}

func (p problem) Error() string { return p.message }

func missing(kind, name string) error {
	return problem{http.StatusNotFound, fmt.Sprintf("No such %s: %s", kind, name)}
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if p, ok := errors.AsType[problem](err); ok {
		status = p.status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": err.Error()})
}

// answer serves one question under the lock; an answer of nil has no body.
func (s *Server) answer(ask func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		result, err := ask(r)
		body, encoding := json.Marshal(result)
		s.mu.Unlock()
		switch {
		case err != nil || encoding != nil:
			fail(w, errors.Join(err, encoding))
		case result == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/json")
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusCreated)
			}
			_, _ = w.Write(body)
		}
	}
}

// read decodes a request.
func read[T any](r *http.Request) (value T, err error) {
	if err = json.NewDecoder(r.Body).Decode(&value); err != nil {
		err = problem{http.StatusBadRequest, err.Error()}
	}
	return value, err
}

// matches applies the API's filters by label.
func matches(r *http.Request, labels map[string]string) bool {
	var filters map[string]map[string]bool
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	for wanted := range filters["label"] {
		name, value, valued := strings.Cut(wanted, "=")
		if is, there := labels[name]; !there || valued && is != value {
			return false
		}
	}
	return true
}
