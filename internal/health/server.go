package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// VersionHeader is where the status port says the version of the application.
const VersionHeader = "Tale-Version"

// ColourHeader is where it says the colour, if the application is deployed in two.
const ColourHeader = "Tale-Colour"

// InstanceHeader is where it says which container, or machine, answers: its host name,
// which a restart keeps and a replacement does not have.
const InstanceHeader = "Tale-Instance"

// ServiceHeader is where it says which service it belongs to.
const ServiceHeader = "Tale-Service"

// No begins the answer of a gate that is closed; the reason follows.
const No = "no: "

// ageHeader has how long the answer has been the same, as in Gate.
const ageHeader = "Tale-Age"

// startedHeader is there once the boot is over: a no is then the loss of what was.
const startedHeader = "Tale-Started"

// Endpoints are what the status port answers from.
type Endpoints struct {
	// Ready answers /readyz: the service takes traffic.
	Ready *Gate
	// Started answers /startupz: the boot is over. It stays yes while draining.
	Started *Gate
	// Status answers /status with a JSON document.
	Status func() any
	// Version is that of the application. Every answer of the gates has it in
	// VersionHeader, so that the proxy can say which version serves.
	Version string
	// Colour is what tells two deployments of one version apart, in ColourHeader.
	Colour string
	// Service is whose it is, in ServiceHeader: a probe may reach another's.
	Service string
	// Metrics answers /metrics.
	Metrics http.Handler
}

// Server is the status port.
type Server struct {
	log  *slog.Logger
	http *http.Server
	done chan struct{}
	addr net.Addr
}

// Listen opens the status port and answers on it until Close. An address that
// cannot be listened on is a configuration error (exit code 78).
func Listen(log *slog.Logger, address string, endpoints Endpoints) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, report.New(exit.Config, fmt.Sprintf("cannot open the status port STATUS_ADDR=%s: %v", address, err),
			causeOfNoPort(err),
			"choose a free address in STATUS_ADDR, or set it empty to turn the port off").Err(err)
	}
	s := &Server{log: log, done: make(chan struct{}), addr: listener.Addr()}
	s.http = &http.Server{
		Handler:           endpoints.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go s.serve(listener)
	return s, nil
}

// Addr returns the address the port really has, also when :0 was asked for.
func (s *Server) Addr() string { return s.addr.String() }

func (s *Server) serve(listener net.Listener) {
	defer close(s.done)
	if err := s.http.Serve(listener); err != nil && err != http.ErrServerClosed {
		s.log.Error("the status port broke; the service goes on", "error", err)
	}
}

// Close shuts the port and waits until it is shut. A nil Server is closed.
func (s *Server) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
	}
	<-s.done
}

func (e Endpoints) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, true, "") })
	mux.HandleFunc("GET /readyz", e.gate(e.Ready))
	mux.HandleFunc("GET /startupz", e.gate(e.Started))
	mux.HandleFunc("GET /status", e.serveStatus)
	if e.Metrics != nil {
		mux.Handle("GET /metrics", e.Metrics)
	}
	return mux
}

func causeOfNoPort(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "a port below 1024 is for root, and any other is forbidden by a rule of the container (a seccomp profile, AppArmor, SELinux)"
	}
	return "another process of this container, or of this host with network_mode: host, has that port, or the address is none of this container's"
}

func (e Endpoints) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// The only error left here is a reader that went away.
	_ = encoder.Encode(e.Status())
}

func (e Endpoints) gate(g *Gate) http.HandlerFunc {
	instance, _ := os.Hostname() // without one it says none
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(VersionHeader, e.Version)
		w.Header().Set(InstanceHeader, instance)
		if e.Service != "" {
			w.Header().Set(ServiceHeader, e.Service)
		}
		if e.Colour != "" {
			w.Header().Set(ColourHeader, e.Colour)
		}
		w.Header().Set(ageHeader, g.age().String())
		if started, _ := e.Started.State(); started {
			w.Header().Set(startedHeader, "yes")
		}
		open, reason := g.State()
		answer(w, open, reason)
	}
}

func answer(w http.ResponseWriter, ok bool, reason string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, No+reason)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}
