package volume

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tale-project/tale-runtime/internal/atomicfile"
	"github.com/tale-project/tale-runtime/internal/config"
)

// Record is what the data folder remembers about who used it
// (.tale-runtime.json), so that a start that would harm it can be refused.
type Record struct {
	Storage        string    `json:"storage"`                   // postgres or sqlite
	Database       string    `json:"database,omitempty"`        // with Postgres
	TaleVersion    string    `json:"tale_version,omitempty"`    // of the image
	BackendVersion string    `json:"backend_version,omitempty"` // as /version says; "unknown" is not recorded
	Salt           string    `json:"salt,omitempty"`
	Fingerprint    string    `json:"secret_fingerprint,omitempty"`
	Updated        time.Time `json:"updated,omitzero"`
}

const recordName = ".tale-runtime.json"

func recordPath(dataDir string) string { return filepath.Join(dataDir, recordName) }

// ReadRecord returns the zero record for a folder that has none. One that a power
// cut or a full disk has torn is none, too: it guards against mistakes and holds no
// data, and a container that does not start for it cannot even remove it.
func ReadRecord(log *slog.Logger, dataDir string) (Record, error) {
	var record Record
	data, err := os.ReadFile(recordPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, fmt.Errorf("cannot read what the volume remembers: %w; if it cannot be restored, remove %s", err, recordPath(dataDir))
	}
	if err := json.Unmarshal(data, &record); err != nil {
		log.Warn("what the volume remembers is damaged; this start is not checked against the last one",
			"file", recordPath(dataDir), "bytes", len(data), "error", err)
		return Record{}, nil
	}
	return record, nil
}

func (r Record) Write(dataDir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot record who uses the volume: %w", err)
	}
	return atomicfile.Write(recordPath(dataDir), append(data, '\n'), 0o600)
}

// fingerprint tells two secrets apart without giving either away: it is keyed
// with a salt of the volume, so that it cannot even be compared across volumes.
func fingerprint(salt string, secret config.Secret) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(secret.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// withSecret records the secret that is in use now.
func (r Record) withSecret(secret config.Secret) Record {
	if r.Salt == "" {
		r.Salt = rand.Text()
	}
	r.Fingerprint = fingerprint(r.Salt, secret)
	return r
}
