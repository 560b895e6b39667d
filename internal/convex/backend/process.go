package backend

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// Backend is the backend of an instance as it is to be started.
type Backend struct {
	Settings Settings
	Network  Network
	Instance stack.Instance
	Database stack.Database
	Volume   volume.Settings
}

// Argv is the backend's command line, as the backend's --help has it. It holds
// the instance secret and the database URL: see the package comment. Nothing
// may log it.
func (b Backend) Argv() ([]string, error) {
	argv := append([]string{}, b.Settings.Command...)
	if b.Database.Storage == stack.StorageSQLite {
		argv = append(argv, b.Volume.SQLitePath())
	} else {
		server, err := b.Database.Server()
		if err != nil {
			return nil, err
		}
		argv = append(argv, "-d", "postgres-v5", server.URL.String())
		if server.Mode != stack.SSLRequire {
			argv = append(argv, "--do-not-require-ssl")
		}
	}
	cloud, site := b.Network.origins()
	return append(argv,
		"--local-storage", b.Volume.BackendDir(),
		"--port", strconv.Itoa(b.Network.BackendPort),
		"--site-proxy-port", strconv.Itoa(b.Network.SitePort),
		"--interface", b.Network.Interface,
		"--convex-origin", cloud,
		"--convex-site", site,
		"--instance-name", b.Instance.Name,
		"--instance-secret", b.Instance.Secret.Reveal(),
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

// URL is where the backend answers us.
func (n Network) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", n.BackendPort) }

// TempDir is the backend's own folder for temporary files.
func (b Backend) TempDir() string {
	if b.Settings.TempDir != "" {
		return b.Settings.TempDir
	}
	return filepath.Join(b.Volume.BackendDir(), "tmp")
}

// privateVariables are what this process reads and no child has any use for in
// its environment.
var privateVariables = []string{"INSTANCE_SECRET", "POSTGRES_URL", "DB_PASSWORD"}

// Environ is our environment without the secrets that the backend gets
// by its command line, completed by the knobs it is tuned with.
func (b Backend) Environ(environ config.Environ, trust map[string]string) config.Environ {
	complete := WithKnobs(environ)
	for _, name := range privateVariables {
		delete(complete, name)
		delete(complete, name+"_FILE")
	}
	complete["TMPDIR"] = b.TempDir()
	for name, value := range trust {
		complete[name] = value
	}
	return complete
}

// Stop is how the backend is stopped: only SIGINT stops it gently, and
// the first one lets it finish its requests without any limit of its own; the
// second makes it leave at once.
func (b Backend) Stop() []supervise.StopStep {
	return []supervise.StopStep{
		{Signal: syscall.SIGINT, Wait: b.Settings.Timeout},
		{Signal: syscall.SIGINT, Wait: b.Settings.Grace},
	}
}

// Probe asks the backend whether it answers, and whether it is ours.
type Probe struct {
	Prober  *health.Prober
	Network Network
	Name    string
}

// Identify returns the backend's version when it answers and says our
// instance's name.
func (p Probe) Identify(ctx context.Context) (version string, err error) {
	if version, err = p.Version(ctx); err != nil {
		return "", err
	}
	name, err := p.Prober.Get(ctx, p.Network.URL()+"/instance_name")
	if err != nil {
		return "", err
	}
	if name != p.Name {
		return "", fmt.Errorf("port %d is answered by the instance %q and not by %q: another backend listens there", p.Network.BackendPort, name, p.Name)
	}
	return version, nil
}

// Version returns what the backend says at /version.
func (p Probe) Version(ctx context.Context) (string, error) {
	return p.Prober.Get(ctx, p.Network.URL()+"/version")
}
