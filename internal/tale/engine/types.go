// Package engine is the Docker engine as the tale command needs it: what runs of a
// project, images, pulls, events, logs, and the few changes that no compose file can
// say. It alone knows the engine's API (github.com/moby/moby/client, negotiated; 20.10
// and newer answer, 24 is what is supported) and how containers are made from a compose
// file (the plugin of the docker command). It decides nothing: what is to be changed is
// a plan of package rollout.
package engine

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
)

// Labels of the containers, volumes and networks that tale makes. The compose plugin
// adds its own (LabelComposeProject).
const (
	LabelProject = "dev.tale.project"
	LabelService = "dev.tale.service"
	LabelColour  = "dev.tale.colour"  // not there for a service that does not rotate
	LabelVersion = "dev.tale.version" // of the release
	LabelHash    = "dev.tale.hash"    // compose.Service.Hash

	LabelComposeProject = "com.docker.compose.project"
	LabelComposeService = "com.docker.compose.service"
	// LabelImageVersion is an image's own word for its version.
	LabelImageVersion = "org.opencontainers.image.version"
)

// IsOurs reports whether an image, or a container's, is of this repository, by its labels.
func IsOurs(labels map[string]string) bool {
	return strings.HasSuffix(labels["org.opencontainers.image.source"], "/tale-runtime")
}

// Owned returns the labels of a project's volumes and networks, for this tool and the
// one before it.
func Owned(project string) map[string]string {
	return map[string]string{LabelProject: project, "project": project}
}

// Info is what an engine says of itself.
type Info struct {
	ID       string // of the installation, the same for every client
	Name     string // of its host
	Version  string
	API      string // negotiated
	OS, Arch string // as in GOOS and GOARCH
	Memory   int64  // bytes
	CPUs     int
	Root     string // its data folder on its own host
	Rootless bool
	Local    bool          // reached by a Unix socket
	Ahead    time.Duration // of this machine's clock is its host's
}

// Container is one container of a project, running or not.
type Container struct {
	ID, Name       string
	ComposeProject string
	Service        string // as in stack, "" if it is none of ours
	Colour         string
	Version        string // label, or the image's own word, or the image's tag
	Image          string // reference it was created with
	ImageID        string // sha256:…
	Hash           string // label, "" for containers that tale has not made
	Labels         map[string]string
	Environment    map[string]string
	Addresses      map[string]string // by network
	Aliases        map[string][]string
	Mounts         []Mount
	Ports          []Port // published
	Created        time.Time
	State          State
	StopTimeout    time.Duration // 0: the engine's own, 10 s
	Restarts       int
}

// ReachedAt returns where a TCP port of the container can be reached from the engine's
// host: as it is published, or else at the container itself.
func (c Container) ReachedAt(port int) string {
	for _, published := range c.Ports {
		if published.Container == port && published.Public != 0 && published.Protocol != "udp" {
			return published.Address()
		}
	}
	for _, network := range slices.Sorted(maps.Keys(c.Addresses)) {
		if address := c.Addresses[network]; address != "" {
			return net.JoinHostPort(address, strconv.Itoa(port))
		}
	}
	return ""
}

// Mount is a volume or a folder in a container.
type Mount struct {
	Volume   string // name, or the host's path of a bind mount
	Path     string
	ReadOnly bool
}

// Port is a published port.
type Port struct {
	Host      string // address, "" is all
	Public    int
	Container int
	Protocol  string // tcp, udp
}

// Publishes reports whether a container has a TCP port of the engine's host.
func (c Container) Publishes(port int) bool {
	return slices.ContainsFunc(c.Ports, func(p Port) bool { return p.Public == port && p.Protocol != "udp" })
}

// Address returns where a port can be reached from the engine's host.
func (p Port) Address() string {
	return httpclient.LocalAddr(net.JoinHostPort(p.Host, strconv.Itoa(p.Public)))
}

// State is how a container is.
type State struct {
	Status     string // created, running, paused, restarting, removing, exited, dead
	Running    bool
	Restarting bool
	Health     string   // "" without a health check, else starting, healthy, unhealthy
	HealthLog  []string // last outputs of the health check since the start, newest last, at most 400 bytes each
	HealthCode int      // exit code of the last health check
	HealthAt   time.Time
	ExitCode   int
	OOMKilled  bool
	Error      string // the engine's, of a container that could not start
	Started    time.Time
	Finished   time.Time
}

// Well reports whether a container runs, and its health check has no other opinion. That
// of one that is paused is of before.
func (s State) Well() bool {
	return s.Running && !s.Restarting && !s.Paused() && (s.Health == "" || s.Health == "healthy")
}

// Ended reports whether a container has ended, and nothing starts it again by itself.
func (s State) Ended() bool { return s.Status == "exited" || s.Status == "dead" }

// Paused reports whether a container stands still, which for the engine is to run.
func (s State) Paused() bool { return s.Status == StatusPaused }

// StatusPaused is the status of a container that stands still, as the engine calls it.
const StatusPaused = "paused"

// Image is an image that the engine has.
type Image struct {
	ID      string
	Tags    []string // repository:tag
	Digests []string // repository@sha256:…
	Size    int64
	OS      string
	Arch    string
	Created time.Time
	Labels  map[string]string
	Layers  []digest.Digest // diff IDs; filled in by Image only
	// Environment is what its containers get by themselves; filled in by Image only.
	Environment map[string]string
}

// Repositories returns those of the names of an image.
func (i Image) Repositories() (names []string) {
	for _, name := range slices.Concat(i.Tags, i.Digests) {
		names = append(names, Repository(name))
	}
	return names
}

// Volume is a volume.
type Volume struct {
	Name       string
	Elsewhere  bool // not below the engine's root, by its driver or the driver's options
	Labels     map[string]string
	Mountpoint string // on the engine's host
}

// Network is a network.
type Network struct {
	ID, Name   string
	Labels     map[string]string
	Containers int
	Internal   bool // nobody outside reaches what is in it
}

// Event is something that happened to a container.
type Event struct {
	Container string // id
	Name      string
	Action    string // start, die, oom, kill, stop, destroy, "health_status: healthy", …
	ExitCode  int    // of die
	Time      time.Time
}

// Remote is what a registry says of an image.
type Remote struct {
	Digest    string
	Platforms []string // linux/amd64, …
}

// Progress is where a pull is, in bytes.
type Progress struct {
	Current int64 // downloaded
	Total   int64 // known so far
}
