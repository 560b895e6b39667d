package convexsim

import (
	"io"
	"net/http"
)

const greeting = "This Convex deployment is running. See https://docs.convex.dev/."

func (s *Server) handleVersion(w http.ResponseWriter, r *http.Request) error {
	version := s.options.Version
	for _, fault := range faultsOf(r) {
		if fault.Version != "" {
			version = fault.Version
		}
	}
	writeText(w, http.StatusOK, version)
	return nil
}

func (s *Server) handleInstanceName(w http.ResponseWriter, _ *http.Request) error {
	writeText(w, http.StatusOK, s.options.InstanceName)
	return nil
}

func handleGreeting(w http.ResponseWriter, _ *http.Request) error {
	writeText(w, http.StatusOK, greeting)
	return nil
}

// handleEcho sends the body back as it comes.
func handleEcho(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > echoBodyLimit {
		return &failure{status: http.StatusRequestEntityTooLarge}
	}
	controller := http.NewResponseController(w)
	_ = controller.EnableFullDuplex()
	_, _ = io.Copy(w, &limitedReader{reader: r.Body, left: echoBodyLimit})
	return nil
}

// handleCheckAdminKey is GET /api/check_admin_key, which the dashboard asks.
func (s *Server) handleCheckAdminKey(w http.ResponseWriter, r *http.Request) error {
	who, err := s.requestIdentity(r)
	if err != nil {
		return err
	}
	if err := s.mustBeAdmin(who, true); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]bool{"success": true})
	return nil
}

// handleCanonicalURLs is GET /api/v1/get_canonical_urls.
func (s *Server) handleCanonicalURLs(w http.ResponseWriter, r *http.Request) error {
	who, err := s.requestIdentity(r)
	if err != nil {
		return err
	}
	if err := s.mustBeAdmin(who, false); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"convexCloudUrl": s.origins().Cloud, "convexSiteUrl": s.origins().Site})
	return nil
}
