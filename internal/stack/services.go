package stack

import (
	"slices"
	"time"
)

// Names of the services, which are also their host names in the network.
const (
	DB       = "db"
	Convex   = "convex"
	Platform = "platform"
	Proxy    = "proxy"
	RAG      = "rag"
	Crawler  = "crawler"
)

// Volumes that the commands speak of. The project's id stands before each of them.
const (
	ConvexData  = "convex-data"
	CaddyData   = "caddy-data"
	CaddyConfig = "caddy-config"
	ProxyCA     = "proxy-ca"
)

// Ports that the services listen on in their containers.
const (
	HTTPPort        = 80
	HTTPSPort       = 443
	ProxyHealthPort = 2020
	PlatformPort    = 3000
	BackendPort     = 3210
	ActionsPort     = 3211 // HTTP actions
	DBPort          = 5432
	DashboardPort   = 6791
	RAGPort         = 8001
	CrawlerPort     = 8002
	StatusPort      = 9180
)

// ProxyHealthPath is answered by every server of the proxy itself. At ProxyHealthPort it
// answers ProxyStatusQuery with the document that `proxy status --json` prints.
const (
	ProxyHealthPath  = "/health"
	ProxyStatusQuery = "deep"
)

// PlatformHealth is the path at which the web application answers 200 when it is well,
// in images of every make.
const PlatformHealth = "/api/health"

// Network is the network of the services.
const Network = "internal"

// Colours of a service that is replaced without a pause.
const (
	Blue  = "blue"
	Green = "green"
)

// OtherColour returns the colour that a deploy starts beside the given one.
func OtherColour(colour string) string {
	if colour == Blue {
		return Green
	}
	return Blue
}

// Coloured returns the name of a service's colour; one that has none, "", is called as it is.
func Coloured(service, colour string) string {
	if colour == "" {
		return service
	}
	return service + "-" + colour
}

// ReadyMarker returns the name of the file in a service's run folder that is there
// while the service is ready.
func ReadyMarker(service string) string { return service + "-ready" }

// ShuttingDownMarker returns the name of the file that is there from a stop request
// on.
func ShuttingDownMarker(service string) string { return service + "-shutting-down" }

// Service is what the other services and the host may rely on.
type Service struct {
	Name        string
	Ports       []int    // in the container, for the network
	Publish     []string // to visitors, as the image exposes it
	Mounts      []Mount
	Needs       []string      // services that are healthy before it starts
	Stop        time.Duration // from the stop signal to the kill
	Rotates     bool          // a new colour starts beside the old one
	EnvFile     bool          // it gets all of .env, and Environment besides
	Environment []Given
}

// Mount is a volume in a container.
type Mount struct {
	Volume, Path string
	ReadOnly     bool
	Data         string // variable of the image that names the folder, "" for what can be made anew
}

// ServiceNamed returns the service of a name, and whether there is one.
func ServiceNamed(name string) (service Service, there bool) {
	all := Services()
	i := slices.IndexFunc(all, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return all[i], true
}

// Services returns the services in the order in which they start.
func Services() []Service {
	return []Service{
		{
			Name: DB, Ports: []int{DBPort}, Stop: 60 * time.Second, Environment: dbGiven(),
			Mounts: []Mount{{Volume: "db-data", Path: "/var/lib/postgresql/data", Data: "PGDATA"}, {Volume: "db-backup", Path: "/var/lib/postgresql/backup"}},
		},
		{
			Name: Convex, Ports: []int{BackendPort, ActionsPort, DashboardPort, StatusPort}, Stop: 45 * time.Second, Needs: []string{DB},
			EnvFile: true, Environment: convexGiven(),
			Mounts: []Mount{{Volume: ConvexData, Path: "/app/data", Data: "TALE_CONFIG_DIR"}, {Volume: ProxyCA, Path: "/proxy-ca", ReadOnly: true}},
		},
		{
			Name: Platform, Ports: []int{PlatformPort, StatusPort}, Stop: 45 * time.Second, Needs: []string{Convex}, Rotates: true,
			EnvFile: true, Environment: platformGiven(),
			Mounts: []Mount{{Volume: ConvexData, Path: "/app/data", ReadOnly: true}},
		},
		{
			Name: Proxy, Ports: []int{ProxyHealthPort}, Publish: []string{"80", "443", "443/udp"}, Stop: 20 * time.Second, Environment: proxyGiven(),
			Mounts: []Mount{{Volume: CaddyData, Path: "/data"}, {Volume: CaddyConfig, Path: "/config"}, {Volume: ProxyCA, Path: "/ca"}},
		},
		{
			Name: RAG, Ports: []int{RAGPort}, Stop: 10 * time.Second, Needs: []string{DB, Convex}, Rotates: true, EnvFile: true,
			Mounts: []Mount{{Volume: "rag-data", Path: "/app/data"}, {Volume: ConvexData, Path: "/app/platform-config", ReadOnly: true}},
		},
		{
			Name: Crawler, Ports: []int{CrawlerPort}, Stop: 10 * time.Second, Needs: []string{DB, Convex}, Rotates: true, EnvFile: true,
			Mounts: []Mount{{Volume: "crawler-data", Path: "/app/data"}, {Volume: ConvexData, Path: "/app/platform-config", ReadOnly: true}},
		},
	}
}

// Aliases returns the names by which the network knows a service, or a colour of
// it: its own name leads to whichever is there.
func (s Service) Aliases(colour string) []string {
	if colour == "" {
		return []string{s.Name}
	}
	return []string{s.Name, Coloured(s.Name, colour)}
}
