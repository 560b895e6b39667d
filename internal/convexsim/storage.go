package convexsim

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// filesFolder is where uploads are, in the storage folder, each under its id.
const filesFolder = "files"

// handleUpload serves POST /api/storage/upload?token=…, which answers with the id of
// a document, from which only a function can make the address of the file.
func (s *Server) handleUpload(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if !query.Has("token") {
		return protocol.BadRequest("BadQueryArgs", "Failed to deserialize query string: missing field `token`")
	}
	if err := s.broker.CheckUploadToken(query.Get("token"), time.Now()); err != nil {
		return err
	}
	id := uuid.NewString()
	file, err := s.receive(id, r.Body)
	if err != nil {
		return err
	}
	file.ContentType = r.Header.Get("Content-Type")
	if s.functions != nil {
		stored := runner.File{Name: id, Size: file.Bytes, SHA256: file.SHA256, ContentType: file.ContentType}
		if file.ID, err = s.functions.Stored(r.Context(), stored); err != nil {
			return err
		}
		protocol.WriteJSON(w, http.StatusOK, map[string]string{"storageId": file.ID})
		return nil
	}
	err = s.store.Update(func(next *state.State) error {
		if next.Files == nil {
			next.Files = map[string]state.File{}
		}
		file.ID = next.NewID("file")
		next.Files[id] = file
		return nil
	})
	if err != nil {
		return err
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]string{"storageId": file.ID})
	return nil
}

// UploadURL returns an address that takes one upload, as the backend gives it to
// functions.
func (s *Server) UploadURL() (string, error) {
	token, err := s.broker.UploadToken(time.Now())
	if err != nil {
		return "", err
	}
	return s.origins().Cloud + "/api/storage/upload?token=" + token, nil
}

// file returns a file by its name.
func (s *Server) file(ctx context.Context, name string) (state.File, bool, error) {
	if stored, ok := s.store.View().Files[name]; ok || s.functions == nil {
		return stored, ok, nil
	}
	found, err := s.functions.File(ctx, runner.File{Name: name})
	if err != nil || found == nil {
		return state.File{}, false, err
	}
	return state.File{ID: found.ID, ContentType: found.ContentType, Bytes: found.Size, SHA256: found.SHA256}, true, nil
}

// fileDocument returns what functions see of a file; nil for none with the id.
func (s *Server) fileDocument(ctx context.Context, id any) (any, error) {
	files := s.store.View().Files
	if text, ok := id.(string); ok && s.functions != nil {
		found, err := s.functions.File(ctx, runner.File{ID: text})
		if err != nil || found == nil {
			return nil, err
		}
		files = map[string]state.File{found.Name: {ID: found.ID, ContentType: found.ContentType, Bytes: found.Size, SHA256: found.SHA256}}
	}
	for uuid, file := range files {
		if file.ID == id {
			return map[string]any{
				"_id": file.ID, "sha256": file.SHA256, "size": file.Bytes, "contentType": file.ContentType,
				"url": s.origins().Cloud + "/api/storage/" + uuid,
			}, nil
		}
	}
	return nil, nil
}

// receive streams an upload to its file.
func (s *Server) receive(id string, body io.Reader) (stored state.File, err error) {
	folder := filepath.Join(s.options.Storage, filesFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return state.File{}, fmt.Errorf("cannot store an upload: %w", err)
	}
	file, err := os.Create(filepath.Join(folder, id))
	if err != nil {
		return state.File{}, fmt.Errorf("cannot store an upload: %w", err)
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, sum), body)
	if err := errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return state.File{}, protocol.TimedOut()
		}
		return state.File{}, fmt.Errorf("cannot store an upload: %w", err)
	}
	return state.File{Bytes: size, SHA256: base64.StdEncoding.EncodeToString(sum.Sum(nil))}, nil
}

// handleDownload serves GET /api/storage/{id}; it serves single ranges.
func (s *Server) handleDownload(w http.ResponseWriter, r *http.Request) error {
	id := pathVariable(r)
	if uuid.Validate(id) != nil {
		return protocol.BadRequest("InvalidStoragePath", "Invalid storage path: %q. Please use `storage.getUrl(storageId: Id<\"_storage\">)` to generate a valid URL to retrieve files.", id)
	}
	stored, ok, err := s.file(r.Context(), id)
	if err != nil {
		return err
	}
	if !ok {
		return &protocol.Failure{Status: http.StatusNotFound, Code: "FileNotFound", Message: fmt.Sprintf("File %s not found", id)}
	}
	file, err := os.Open(filepath.Join(s.options.Storage, filesFolder, id))
	if err != nil {
		return fmt.Errorf("cannot read an upload: %w", err)
	}
	defer func() { _ = file.Close() }()
	header := w.Header()
	header["Content-Type"] = nil // not guessed
	if stored.ContentType != "" {
		header.Set("Content-Type", stored.ContentType)
	}
	header.Set("Digest", "sha-256="+stored.SHA256)
	header.Set("Cache-Control", "private, max-age=2592000")
	http.ServeContent(w, r, "", time.Time{}, file)
	return nil
}
