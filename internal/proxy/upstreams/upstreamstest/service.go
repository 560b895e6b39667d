package upstreamstest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
)

// Service is an HTTP service at one loopback address: the application of one
// colour. Its health is at /health; every other request is answered with the
// service's name, after its body was read.
type Service struct {
	Name string

	t        testing.TB
	addr     string
	handler  http.Handler
	server   *http.Server
	stopped  chan struct{}
	health   atomic.Int64 // the status of /health; zero: never answers
	body     atomic.Value // string, of /health
	header   atomic.Value // http.Header, of /health
	requests atomic.Int64
	probes   atomic.Int64
}

// FreePort finds a port that is free on every one of the addresses.
func FreePort(t testing.TB, ips ...string) int {
	t.Helper()
	port, err := freeport.Find(ips...)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// NewService starts a healthy service at ip:port that ends with the test. With a
// nil handler it answers its name.
func NewService(t testing.TB, name, ip string, port int, handler http.Handler) *Service {
	t.Helper()
	s := &Service{Name: name, t: t, addr: net.JoinHostPort(ip, strconv.Itoa(port)), handler: handler}
	if handler == nil {
		s.handler = http.HandlerFunc(s.answer)
	}
	s.body.Store("")
	s.header.Store(http.Header{})
	s.SetHealth(http.StatusOK)
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Addr returns where the service listens, host:port.
func (s *Service) Addr() string { return s.addr }

// SetHealth sets the status that /health answers. With zero it never answers.
func (s *Service) SetHealth(status int) { s.health.Store(int64(status)) }

// SetHealthBody sets what /health says.
func (s *Service) SetHealthBody(body string) { s.body.Store(body) }

// SetHealthHeader sets the fields of what /health answers.
func (s *Service) SetHealthHeader(header http.Header) { s.header.Store(header) }

// Requests returns how many requests other than probes were answered.
func (s *Service) Requests() int { return int(s.requests.Load()) }

// Probes returns how many probes came.
func (s *Service) Probes() int { return int(s.probes.Load()) }

// Start listens again after Stop or Kill.
func (s *Service) Start() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatalf("cannot start %s: %v", s.Name, err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, IdleTimeout: 3 * time.Minute}
	stopped := make(chan struct{})
	s.server, s.stopped = server, stopped
	go func() {
		defer close(stopped)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("%s: %v", s.Name, err)
		}
	}()
}

// Stop ends the service as SIGTERM does: what runs is finished first. A
// connection on which nothing was asked is not waited for: Go's server would do
// so for five seconds.
func (s *Service) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
	}
	<-s.stopped
}

// Kill ends the service as SIGKILL does: connections break.
func (s *Service) Kill() {
	_ = s.server.Close()
	<-s.stopped
}

// ServeHTTP answers probes, and gives the rest to the service's handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/health" {
		s.requests.Add(1)
		s.handler.ServeHTTP(w, r)
		return
	}
	s.probes.Add(1)
	status := int(s.health.Load())
	if status == 0 {
		<-r.Context().Done()
		return
	}
	header, _ := s.header.Load().(http.Header)
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	body, _ := s.body.Load().(string)
	_, _ = io.WriteString(w, body)
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Service", s.Name)
	w.Header().Set("X-Received", strconv.Itoa(len(body)))
	_, _ = io.WriteString(w, s.Name)
}
