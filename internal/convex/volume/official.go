package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Where official self-hosting keeps things in its volume
// (self-hosted/docker-build/run_backend.sh and read_credentials.sh of convex-backend,
// the same at 5f66740a and 94a42c3d).
const (
	officialStorage     = "storage"
	officialSQLite      = "db.sqlite3"
	officialCredentials = "credentials"
)

// officialLayout returns why a volume of official self-hosting cannot be used as it
// is: the backend would start empty beside what is in it.
func (g *Guard) officialLayout() refusal {
	storage, database := filepath.Join(g.settings.DataDir, officialStorage), filepath.Join(g.settings.DataDir, officialSQLite)
	info, err := os.Stat(database)
	hasDatabase := err == nil && info.Size() > 0
	if !hasDatabase && !hasFiles(storage) || g.record.Storage != "" || g.storageByFiles() != "" {
		return refusal{}
	}
	moves := []string{fmt.Sprintf("%s becomes %s", storage, g.settings.BackendDir())}
	if hasDatabase {
		moves = append(moves, fmt.Sprintf("%s becomes %s", database, g.settings.SQLitePath()))
	}
	return refusal{
		reason: fmt.Sprintf("the data folder %s has the layout of official self-hosting: the backend would start empty beside it", g.settings.DataDir),
		back:   fmt.Sprintf("move what is in it as docs/from-official.md says: %s", strings.Join(moves, ", and ")),
	}
}

// official returns one of the credentials that official self-hosting keeps in its
// volume, "" for none.
func (g *Guard) official(name string) string {
	data, _ := os.ReadFile(g.officialPath(name)) // what cannot be read cannot be compared
	return strings.TrimSpace(string(data))
}

func (g *Guard) officialPath(name string) string {
	return filepath.Join(g.settings.DataDir, officialCredentials, name)
}
