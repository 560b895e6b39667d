package backend

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
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
	S3       S3
}

// Argv returns the backend's command line, as the backend's --help has it. It holds
// the instance secret and the database URL (see the comment of package convex), so it
// must not be logged.
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
	if redact := "--redact-logs-to-client"; b.Settings.RedactLogs && !slices.Contains(argv, redact) {
		argv = append(argv, redact)
	}
	if b.S3.Used() {
		argv = append(argv, "--s3-storage")
	} else {
		argv = append(argv, "--local-storage", b.Volume.BackendDir())
	}
	return append(argv,
		"--port", strconv.Itoa(b.Network.BackendPort),
		"--site-proxy-port", strconv.Itoa(b.Network.SitePort),
		"--interface", b.Network.Interface,
		"--convex-origin", cloud,
		"--convex-site", site,
		"--instance-name", b.Instance.Name,
		"--instance-secret", b.Instance.Secret.Reveal(),
	), nil
}

// TempDir returns the backend's folder for temporary files.
func (b Backend) TempDir() string {
	if b.Settings.TempDir != "" {
		return b.Settings.TempDir
	}
	return filepath.Join(b.Volume.BackendDir(), "tmp")
}

// privateVariables are secrets that this process reads and no child needs in its
// environment.
var privateVariables = []string{"INSTANCE_SECRET", "POSTGRES_URL", "DB_PASSWORD"}

// Environ returns our environment without the secrets that the backend gets by its
// command line, completed by the knobs it is tuned with.
func (b Backend) Environ(environ config.Environ, trust map[string]string) config.Environ {
	complete := withKnobs(environ)
	for _, name := range privateVariables {
		delete(complete, name)
		delete(complete, name+"_FILE")
	}
	complete["TMPDIR"] = b.TempDir()
	b.S3.export(complete)
	maps.Copy(complete, trust)
	return complete
}

// Stop returns the steps of a stop: only SIGINT stops the backend gently. After the
// first one it finishes its requests, without a limit of its own; after the second it
// ends at once.
func (b Backend) Stop() []supervise.StopStep {
	return []supervise.StopStep{
		{Signal: syscall.SIGINT, Wait: b.Settings.Timeout},
		{Signal: syscall.SIGINT, Wait: b.Settings.Grace},
	}
}
