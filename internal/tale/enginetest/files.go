package enginetest

import (
	"archive/tar"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
)

// SetFile puts a file into a container, by name.
func (s *Server) SetFile(container, path, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[container+":"+path] = content
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
