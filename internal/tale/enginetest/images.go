package enginetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/volume"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image of the engine, or of a registry. What is left out is made up.
type Image struct {
	ID      string
	Tags    []string // full: repository:tag
	Digest  string   // sha256:…
	Size    int64
	OS      string
	Arch    string
	Labels  map[string]string
	Created time.Time
	Layers  []string // sha256:… of what they hold
	Env     []string // name=value
	// HealthCheck is whether its containers have one that the image brings.
	HealthCheck bool
}

// AddImage puts an image into the engine.
func (s *Server) AddImage(i Image) Image {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addImage(i)
}

// AddRemote puts an image into the registry of its first tag.
func (s *Server) AddRemote(i Image) Image {
	s.mu.Lock()
	defer s.mu.Unlock()
	i = i.complete()
	s.remote[i.Tags[0]] = i
	return i
}

// Logins returns the logins that came with requests for a registry.
func (s *Server) Logins() []registry.AuthConfig {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}

func (i Image) complete() Image {
	if i.Digest == "" {
		i.Digest = digest.FromString(fmt.Sprint(i.Tags, i.Labels)).String()
	}
	if i.ID == "" {
		i.ID = digest.FromString("id of " + i.Digest).String()
	}
	if i.OS == "" {
		i.OS = "linux"
	}
	if i.Arch == "" {
		i.Arch = "amd64"
	}
	if i.Created.IsZero() {
		i.Created = time.Now()
	}
	if i.Size == 0 {
		i.Size = 100 << 20
	}
	return i
}

func (s *Server) addImage(i Image) Image {
	i = i.complete()
	for index := range s.images { // a tag moves
		s.images[index].Tags = slices.DeleteFunc(slices.Clone(s.images[index].Tags), func(tag string) bool { return slices.Contains(i.Tags, tag) })
	}
	s.images = append(slices.DeleteFunc(s.images, func(other Image) bool { return other.ID == i.ID }), i)
	return i
}

func (i Image) digests() []string {
	var digests []string
	for _, tag := range i.Tags {
		digests = append(digests, tag[:max(strings.LastIndex(tag, ":"), 0)]+"@"+i.Digest)
	}
	return digests
}

func (s *Server) image(name string) (Image, bool) {
	for _, i := range s.images {
		if i.ID == name || slices.Contains(i.Tags, name) || slices.Contains(i.digests(), name) {
			return i, true
		}
	}
	return Image{}, false
}

func (s *Server) serveImages(mux *http.ServeMux) {
	mux.HandleFunc("GET /images/json", s.answer(func(*http.Request) (any, error) {
		list := []image.Summary{}
		for _, i := range s.images {
			list = append(list, image.Summary{ID: i.ID, RepoTags: i.Tags, RepoDigests: i.digests(), Size: i.Size, Labels: i.Labels, Created: i.Created.Unix()})
		}
		return list, nil
	}))
	mux.HandleFunc("GET /images/{name...}", s.answer(func(r *http.Request) (any, error) {
		i, found := s.image(strings.TrimSuffix(r.PathValue("name"), "/json"))
		if !found {
			return nil, missing("image", r.PathValue("name"))
		}
		return image.InspectResponse{ID: i.ID, RepoTags: i.Tags, RepoDigests: i.digests(), Size: i.Size, Os: i.OS, Architecture: i.Arch, RootFS: image.RootFS{Type: "layers", Layers: i.Layers}, Config: &dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Labels: i.Labels, Env: i.Env}}}, nil
	}))
	mux.HandleFunc("DELETE /images/{name...}", s.answer(s.untag))
	mux.HandleFunc("GET /distribution/{name...}", s.answer(func(r *http.Request) (any, error) {
		s.login(r)
		name := strings.TrimSuffix(r.PathValue("name"), "/json")
		i, found := s.remote[name]
		if !found {
			return nil, problem{http.StatusNotFound, fmt.Sprintf("manifest for %s not found: manifest unknown", name)}
		}
		return registry.DistributionInspect{Descriptor: ocispec.Descriptor{Digest: digest.Digest(i.Digest)}, Platforms: []ocispec.Platform{{OS: i.OS, Architecture: i.Arch}}}, nil
	}))
	mux.HandleFunc("POST /images/create", s.pull)
}

func (s *Server) login(r *http.Request) {
	if login, err := authconfig.Decode(r.Header.Get(registry.AuthHeader)); err == nil && login.Username != "" {
		s.logins = append(s.logins, *login)
	}
}

func (s *Server) untag(r *http.Request) (any, error) {
	name := r.PathValue("name")
	i, found := s.image(name)
	if !found {
		return nil, missing("image", name)
	}
	for _, b := range s.containers {
		if b.Image == i.ID && (len(i.Tags) < 2 || i.ID == name) {
			return nil, problem{http.StatusConflict, fmt.Sprintf("conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image", name, b.ID[:12])}
		}
	}
	s.images = slices.DeleteFunc(s.images, func(other Image) bool { return other.ID == i.ID })
	i.Tags = slices.DeleteFunc(slices.Clone(i.Tags), func(tag string) bool { return tag == name })
	if len(i.Tags) > 0 && i.ID != name {
		s.images = append(s.images, i)
	}
	return []image.DeleteResponse{{Untagged: name}}, nil
}

// pull serves pulls, in three words to a layer, and imports.
func (s *Server) pull(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("fromSrc") != "" {
		_, _ = io.Copy(io.Discard, r.Body)
		s.AddImage(Image{Tags: []string{query.Get("repo")}})
		_, _ = w.Write([]byte(`{"status":"sha256:1"}` + "\n"))
		return
	}
	name := query.Get("fromImage") + ":" + query.Get("tag")
	if strings.HasPrefix(query.Get("tag"), "sha256:") {
		name = query.Get("fromImage") + "@" + query.Get("tag")
	}
	s.mu.Lock()
	s.login(r)
	found, there := s.remote[name]
	for _, i := range s.remote {
		if slices.Contains(i.digests(), name) {
			found, there = i, true
		}
	}
	s.mu.Unlock()
	if !there {
		fail(w, problem{http.StatusNotFound, fmt.Sprintf("manifest for %s not found: manifest unknown: manifest unknown", name)})
		return
	}
	half := found.Size / 2
	send(w, `{"status":"Pulling fs layer","progressDetail":{},"id":"a"}`, `{"status":"Already exists","progressDetail":{},"id":"b"}`,
		fmt.Sprintf(`{"status":"Downloading","progressDetail":{"current":%d,"total":%d},"id":"a"}`, half, found.Size),
		fmt.Sprintf(`{"status":"Downloading","progressDetail":{"current":%d,"total":%d},"id":"a"}`, found.Size, found.Size),
		`{"status":"Download complete","progressDetail":{},"id":"a"}`, `{"status":"Pull complete","progressDetail":{},"id":"a"}`,
		`{"status":"Digest: `+found.Digest+`"}`)
	s.AddImage(found)
}

func (s *Server) brokenPull(w http.ResponseWriter, message string) {
	detail, _ := json.Marshal(message)
	send(w, `{"status":"Pulling fs layer","progressDetail":{},"id":"a"}`, fmt.Sprintf(`{"errorDetail":{"message":%s},"error":%s}`, detail, detail))
}

func send(w http.ResponseWriter, messages ...string) {
	w.Header().Set("Content-Type", "application/json")
	for _, message := range messages {
		_, _ = w.Write([]byte(message + "\r\n"))
		_ = http.NewResponseController(w).Flush()
	}
}

// AddNetwork puts a network there.
func (s *Server) AddNetwork(name string, labels map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network(name, labels)
}

// AddInternalNetwork puts a network there that nothing outside of it reaches.
func (s *Server) AddInternalNetwork(name string, labels map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network(name, labels).Internal = true
}

func (s *Server) network(name string, labels map[string]string) *network.Inspect {
	if s.networks[name] == nil {
		s.networks[name] = &network.Inspect{Network: network.Network{Name: name, ID: s.id(), Driver: "bridge", Labels: labels}, Containers: map[string]network.EndpointResource{}}
	}
	return s.networks[name]
}

func (s *Server) serveNetworks(mux *http.ServeMux) {
	mux.HandleFunc("GET /networks", s.answer(func(*http.Request) (any, error) {
		list := []network.Summary{}
		for _, n := range s.networks {
			list = append(list, network.Summary{Network: n.Network})
		}
		return list, nil
	}))
	mux.HandleFunc("POST /networks/create", s.answer(func(r *http.Request) (any, error) {
		request, err := read[network.CreateRequest](r)
		if err != nil {
			return nil, err
		}
		return network.CreateResponse{ID: s.network(request.Name, request.Labels).ID}, nil
	}))
	on := func(pattern string, do func(*http.Request, *network.Inspect) (any, error)) {
		mux.HandleFunc(pattern, s.answer(func(r *http.Request) (any, error) {
			n, found := s.networks[r.PathValue("name")]
			if !found {
				return nil, missing("network", r.PathValue("name"))
			}
			return do(r, n)
		}))
	}
	on("GET /networks/{name}", func(_ *http.Request, n *network.Inspect) (any, error) { return n, nil })
	on("DELETE /networks/{name}", func(_ *http.Request, n *network.Inspect) (any, error) {
		if len(n.Containers) > 0 {
			return nil, problem{http.StatusForbidden, "error while removing network: network " + n.Name + " has active endpoints"}
		}
		delete(s.networks, n.Name)
		return nil, nil
	})
	on("POST /networks/{name}/connect", func(r *http.Request, n *network.Inspect) (any, error) {
		request, err := read[network.ConnectRequest](r)
		if err != nil {
			return nil, err
		}
		return s.rewire(request.Container, n, func(b *box, within bool) error {
			if within {
				return problem{http.StatusForbidden, "endpoint with name " + b.Name[1:] + " already exists in network " + n.Name}
			}
			return s.connect(b, n.Name, request.EndpointConfig)
		})
	})
	on("POST /networks/{name}/disconnect", func(r *http.Request, n *network.Inspect) (any, error) {
		request, err := read[network.DisconnectRequest](r)
		if err != nil {
			return nil, err
		}
		return s.rewire(request.Container, n, func(b *box, within bool) error {
			if !within {
				return problem{http.StatusForbidden, "container " + b.ID + " is not connected to network " + n.Name}
			}
			delete(b.NetworkSettings.Networks, n.Name)
			delete(n.Containers, b.ID)
			return nil
		})
	})
}

func (s *Server) rewire(id string, n *network.Inspect, do func(b *box, within bool) error) (any, error) {
	b, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return struct{}{}, do(b, b.NetworkSettings.Networks[n.Name] != nil)
}

// AddVolume puts a volume there.
func (s *Server) AddVolume(name string, labels map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.volume(name, labels)
}

// AddVolumeElsewhere puts a volume there that is not on the engine's own disk.
func (s *Server) AddVolumeElsewhere(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.volume(name, nil).Options = map[string]string{"type": "none", "o": "bind", "device": "/mnt/" + name}
}

// away is a volume driver that does not answer.
const away = "away"

// LoseDriver lets a volume be one whose driver has not answered since the engine has started:
// it is not listed, and cannot be looked into.
func (s *Server) LoseDriver(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.volume(name, nil).Driver = away
}

func (s *Server) serveVolumes(mux *http.ServeMux) {
	mux.HandleFunc("GET /volumes", s.answer(func(*http.Request) (any, error) {
		var list volume.ListResponse
		for _, v := range s.volumes {
			if v.Driver != away {
				list.Volumes = append(list.Volumes, *v)
			}
		}
		return list, nil
	}))
	mux.HandleFunc("GET /volumes/{name}", s.answer(func(r *http.Request) (any, error) {
		switch v := s.volumes[r.PathValue("name")]; {
		case v != nil && v.Driver == away:
			return nil, problem{http.StatusNotFound, fmt.Sprintf("get %s: error while checking if volume %[1]q exists in driver %[2]q: error looking up volume plugin %[2]s: plugin %[2]q not found", v.Name, away)}
		case v != nil:
			return v, nil
		}
		return nil, missing("volume", r.PathValue("name"))
	}))
	mux.HandleFunc("POST /volumes/create", s.answer(func(r *http.Request) (any, error) {
		request, err := read[volume.CreateRequest](r)
		if err != nil {
			return nil, err
		}
		return s.volume(request.Name, request.Labels), nil
	}))
	mux.HandleFunc("DELETE /volumes/{name}", s.answer(func(r *http.Request) (any, error) {
		name := r.PathValue("name")
		if s.volumes[name] == nil {
			return nil, missing("volume", name)
		}
		for _, b := range s.containers {
			for _, m := range b.Mounts {
				if m.Name == name {
					return nil, problem{http.StatusConflict, "remove " + name + ": volume is in use - [" + b.ID + "]"}
				}
			}
		}
		delete(s.volumes, name)
		_ = os.RemoveAll(s.Folder(name))
		return nil, nil
	}))
}
