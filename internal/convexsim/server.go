package convexsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// Server is a simulator. Make one with New and let it live with Run, or with
// package simtest in a test.
type Server struct {
	options     Options
	adminKey    string
	log         *slog.Logger
	store       *state.Store
	broker      keybroker.Broker
	functions   *runner.Runner // nil when functions are not run
	metrics     *requestMetrics
	faults      *fault.Set
	requests    *requestLog
	apiPermits  permits
	sitePermits permits
	routes      []route

	life     context.Context // ends when the simulator does
	end      context.CancelFunc
	ready    chan struct{} // closed when the ports are open
	deaths   chan fault.Death
	finished chan struct{} // closed when Run returned

	api, site                 *http.Server
	apiListener, siteListener net.Listener
}

// New returns a simulator with the state that its storage folder has. It opens
// no port yet.
func New(options Options) (*Server, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return nil, fmt.Errorf("cannot start the simulator: %w", err)
	}
	stored, err := state.Open(options.Storage)
	if err != nil {
		return nil, fmt.Errorf("cannot start the simulator: %w", err)
	}
	key, err := adminkey.Mint(options.InstanceName, options.InstanceSecret)
	if err != nil {
		return nil, fmt.Errorf("cannot start the simulator: %w", err)
	}
	life, end := context.WithCancel(context.Background())
	s := &Server{
		options: options, adminKey: key, log: options.Log, store: stored, broker: keybroker.Broker{Instance: options.InstanceName, Secret: options.InstanceSecret},
		metrics: &requestMetrics{},
		faults:  &fault.Set{}, requests: &requestLog{},
		apiPermits: make(permits, apiConcurrency), sitePermits: make(permits, siteConcurrency),
		life: life, end: end, ready: make(chan struct{}), deaths: make(chan fault.Death, 1), finished: make(chan struct{}),
	}
	s.routes = s.apiRoutes()
	if err := s.openRunner(); err != nil {
		end()
		return nil, fmt.Errorf("cannot start the simulator: %w", err)
	}
	for _, fault := range options.Faults {
		if _, err := s.Inject(fault); err != nil {
			end()
			return nil, fmt.Errorf("cannot start the simulator: %w", err)
		}
	}
	return s, nil
}

// listen opens both ports, or none.
func (s *Server) listen() error {
	var err error
	if s.apiListener, err = net.Listen("tcp4", net.JoinHostPort(s.options.Interface, strconv.Itoa(s.options.Port))); err != nil {
		return fmt.Errorf("cannot open the API port: %w", err)
	}
	if s.siteListener, err = net.Listen("tcp4", net.JoinHostPort(s.options.Interface, strconv.Itoa(s.options.SitePort))); err != nil {
		return errors.Join(fmt.Errorf("cannot open the site port: %w", err), s.apiListener.Close())
	}
	s.choosePorts()
	s.api = s.httpServer(s.serveAPI)
	s.site = s.httpServer(s.serveSite)
	close(s.ready)
	return nil
}

// choosePorts keeps the ports that the system chose. Given ones are not written
// again: URL may be asked for them already.
func (s *Server) choosePorts() {
	if s.options.Port == 0 {
		s.options.Port = port(s.apiListener)
	}
	if s.options.SitePort == 0 {
		s.options.SitePort = port(s.siteListener)
	}
}

func port(listener net.Listener) int {
	if address, ok := listener.Addr().(*net.TCPAddr); ok {
		return address.Port
	}
	return 0
}

func (s *Server) httpServer(handle http.HandlerFunc) *http.Server {
	return &http.Server{
		Handler:           handle,
		ReadHeaderTimeout: s.options.RequestTimeout,
		BaseContext:       func(net.Listener) context.Context { return s.life },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// URL returns the base URL of the API port. It is known once Ready is closed.
func (s *Server) URL() string { return s.baseURL(s.options.Port) }

// SiteURL returns the base URL of the site port.
func (s *Server) SiteURL() string { return s.baseURL(s.options.SitePort) }

func (s *Server) baseURL(port int) string {
	host := s.options.Interface
	if host == "0.0.0.0" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// Ready returns a channel that is closed when both ports are open.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Options returns what the simulator runs with, the chosen ports included.
func (s *Server) Options() Options { return s.options }

// AdminKey returns a key with write access.
func (s *Server) AdminKey() string { return s.adminKey }

// Inject puts a fault in force and returns its id.
func (s *Server) Inject(fault fault.Fault) (id string, err error) {
	if err := fault.Validate(); err != nil {
		return "", err
	}
	return s.faults.Add(fault), nil
}

// Remove takes a fault out of force, or with an empty id all of them. Requests
// that hang on it go on. It reports whether there was one.
func (s *Server) Remove(id string) bool { return s.faults.Remove(id) }

// State returns what is stored now.
func (s *Server) State() state.State { return s.store.View() }

// Requests returns the latest requests, oldest first.
func (s *Server) Requests() []Request { return s.requests.all() }
