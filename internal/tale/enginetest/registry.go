package enginetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Registry speaks as much of a registry's API as it takes to ask for layers. It is none of
// an engine's: those have AddRemote.
type Registry struct {
	Host      string
	Login     string // user:password, "" for everybody
	documents map[string]ocispec.Descriptor
	texts     map[digest.Digest][]byte
}

// NewRegistry returns one that is empty.
func NewRegistry(t testing.TB) *Registry {
	r := &Registry{documents: map[string]ocispec.Descriptor{}, texts: map[digest.Digest][]byte{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.Host = strings.TrimPrefix(server.URL, "http://")
	return r
}

// Add puts an image for linux and an architecture under a name, as repository:tag, whose
// layers hold that and are as large as its number.
func (r *Registry) Add(name, arch string, layers ...int64) (holds []digest.Digest) {
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	manifest.SchemaVersion = 2
	for _, bytes := range layers {
		holds = append(holds, digest.FromString(fmt.Sprint("holds ", bytes)))
		manifest.Layers = append(manifest.Layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromString(fmt.Sprint("packed ", bytes)), Size: bytes})
	}
	manifest.Config = r.put(ocispec.MediaTypeImageConfig, ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: arch}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: holds}})
	described := r.put(ocispec.MediaTypeImageManifest, manifest)
	described.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{described}}
	index.SchemaVersion = 2
	r.documents[name] = r.put(ocispec.MediaTypeImageIndex, index)
	return holds
}

func (r *Registry) put(kind string, document any) ocispec.Descriptor {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // a type that has no JSON
	}
	d := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(text), Size: int64(len(text))}
	r.texts[d.Digest], r.documents[d.Digest.String()] = text, d
	return d
}

func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	user, password, _ := q.BasicAuth()
	if r.Login != "" && user+":"+password != r.Login {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		return
	}
	repository, wanted, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/v2/"), "/manifests/")
	d, found := r.documents[repository+":"+wanted]
	if by := q.URL.Path[strings.LastIndex(q.URL.Path, "/")+1:]; !found {
		d, found = r.documents[by]
	}
	if !found {
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", d.MediaType)
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.Header().Set("Content-Length", fmt.Sprint(d.Size))
	_, _ = w.Write(r.texts[d.Digest])
}
