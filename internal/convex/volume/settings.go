package volume

import "path/filepath"

// Settings say where the volume is.
type Settings struct {
	DataDir string `env:"TALE_CONFIG_DIR" tier:"advanced" envDefault:"/app/data" doc:"Data folder: the configuration files, and the backend's storage in its subfolder convex."`
}

// BackendDir returns the backend's own storage folder.
func (s Settings) BackendDir() string { return filepath.Join(s.DataDir, "convex") }

const sqliteName = "convex_local_backend.sqlite3"

// SQLitePath returns the database of a deployment without Postgres.
func (s Settings) SQLitePath() string { return filepath.Join(s.BackendDir(), sqliteName) }
