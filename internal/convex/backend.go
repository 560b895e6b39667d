package convex

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const backendName = "backend"

// backendArgv is the backend's command line, as the backend's --help has it. It holds
// the instance secret and the database URL: see the package comment. Nothing
// may log it.
func backendArgv(s *Settings) ([]string, error) {
	argv := append([]string{}, s.Backend.Command...)
	if s.Database.Storage == stack.StorageSQLite {
		argv = append(argv, s.Volume.SQLitePath())
	} else {
		server, err := s.Database.Server()
		if err != nil {
			return nil, err
		}
		argv = append(argv, "-d", "postgres-v5", server.URL.String())
		if server.Mode != stack.SSLRequire {
			argv = append(argv, "--do-not-require-ssl")
		}
	}
	cloud, site := s.Network.origins()
	return append(argv,
		"--local-storage", s.Volume.BackendDir(),
		"--port", strconv.Itoa(s.Network.BackendPort),
		"--site-proxy-port", strconv.Itoa(s.Network.SitePort),
		"--interface", s.Network.Interface,
		"--convex-origin", cloud,
		"--convex-site", site,
		"--instance-name", s.Instance.Name,
		"--instance-secret", s.Instance.Secret.Reveal(),
	), nil
}

// origins are what functions see as CONVEX_CLOUD_URL and CONVEX_SITE_URL. They
// default to the loopback address and not to SITE_URL: node actions call back
// to the first and tokens are verified at the second from inside the container,
// where the public name may be out of reach or its certificate not trusted; and
// Tale's functions turn storage URLs into public ones with SITE_URL themselves.
// Both are always passed, as each is refused without the other.
func (n Network) origins() (cloud, site string) {
	cloud, site = n.CloudOrigin, n.SiteOrigin
	if cloud == "" {
		cloud = fmt.Sprintf("http://127.0.0.1:%d", n.BackendPort)
	}
	if site == "" {
		site = fmt.Sprintf("http://127.0.0.1:%d", n.SitePort)
	}
	return cloud, site
}

// backendURL is where the backend answers us.
func (n Network) backendURL() string { return fmt.Sprintf("http://127.0.0.1:%d", n.BackendPort) }

// tempDir is the backend's own folder for temporary files.
func (s *Settings) tempDir() string {
	if s.Backend.TempDir != "" {
		return s.Backend.TempDir
	}
	return filepath.Join(s.Volume.BackendDir(), "tmp")
}

// privateVariables are what this process reads and no child has any use for in
// its environment.
var privateVariables = []string{"INSTANCE_SECRET", "POSTGRES_URL", "DB_PASSWORD"}

// backendEnviron is our environment without the secrets that the backend gets
// by its command line, completed by the knobs it is tuned with.
func backendEnviron(environ config.Environ, s *Settings, trust map[string]string) config.Environ {
	complete := withKnobs(environ)
	for _, name := range privateVariables {
		delete(complete, name)
		delete(complete, name+"_FILE")
	}
	complete["TMPDIR"] = s.tempDir()
	for name, value := range trust {
		complete[name] = value
	}
	return complete
}

// backendStop is how the backend is stopped: only SIGINT stops it gently, and
// the first one lets it finish its requests without any limit of its own; the
// second makes it leave at once.
func backendStop(b Backend) []supervise.StopStep {
	return []supervise.StopStep{
		{Signal: syscall.SIGINT, Wait: b.Timeout},
		{Signal: syscall.SIGINT, Wait: b.Grace},
	}
}

// backendProbe asks the backend whether it answers, and whether it is ours.
type backendProbe struct {
	prober  *health.Prober
	network Network
	name    string
}

// Identify returns the backend's version when it answers and says our
// instance's name.
func (p backendProbe) Identify(ctx context.Context) (version string, err error) {
	if version, err = p.Version(ctx); err != nil {
		return "", err
	}
	name, err := p.prober.Get(ctx, p.network.backendURL()+"/instance_name")
	if err != nil {
		return "", err
	}
	if name != p.name {
		return "", fmt.Errorf("port %d is answered by the instance %q and not by %q: another backend listens there", p.network.BackendPort, name, p.name)
	}
	return version, nil
}

// Version returns what the backend says at /version.
func (p backendProbe) Version(ctx context.Context) (string, error) {
	return p.prober.Get(ctx, p.network.backendURL()+"/version")
}
