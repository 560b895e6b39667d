package convexsim

import (
	"io"
	"net/http"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

const greeting = "This Convex deployment is running. See https://docs.convex.dev/."

func (s *Server) handleVersion(w http.ResponseWriter, r *http.Request) error {
	version := s.options.Version
	for _, fault := range faultsOf(r) {
		if fault.Version != "" {
			version = fault.Version
		}
	}
	protocol.WriteText(w, http.StatusOK, version)
	return nil
}

func (s *Server) handleInstanceName(w http.ResponseWriter, _ *http.Request) error {
	protocol.WriteText(w, http.StatusOK, s.options.InstanceName)
	return nil
}

func handleGreeting(w http.ResponseWriter, _ *http.Request) error {
	protocol.WriteText(w, http.StatusOK, greeting)
	return nil
}

// handleEcho sends the body back as it comes.
func handleEcho(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > protocol.EchoBodyLimit {
		return &protocol.Failure{Status: http.StatusRequestEntityTooLarge}
	}
	controller := http.NewResponseController(w)
	_ = controller.EnableFullDuplex()
	_, _ = io.Copy(w, protocol.LimitBody(r.Body, protocol.EchoBodyLimit))
	return nil
}

// handleCheckAdminKey serves GET /api/check_admin_key, which the dashboard asks.
func (s *Server) handleCheckAdminKey(w http.ResponseWriter, r *http.Request) error {
	who, err := s.broker.OfRequest(r)
	if err != nil {
		return err
	}
	if err := who.MustWrite(); err != nil {
		return err
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]bool{"success": true})
	return nil
}

// handlePause serves POST /api/v1/pause_deployment and unpause_deployment.
func (s *Server) handlePause(pause bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := s.broker.OfRequest(r)
		if err != nil {
			return err
		}
		if err := who.MustWrite(); err != nil {
			return err
		}
		w.Header().Set("Content-Length", "0")
		return s.store.Update(func(next *state.State) error { next.Paused = pause; return nil })
	}
}

// handleCanonicalURLs serves GET /api/v1/get_canonical_urls.
func (s *Server) handleCanonicalURLs(w http.ResponseWriter, r *http.Request) error {
	who, err := s.broker.OfRequest(r)
	if err != nil {
		return err
	}
	if err := who.MustRead(); err != nil {
		return err
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]string{"convexCloudUrl": s.origins().Cloud, "convexSiteUrl": s.origins().Site})
	return nil
}
