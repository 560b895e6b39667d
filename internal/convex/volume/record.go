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

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// record is how the data folder was last used (.tale-runtime.json), so that a start
// that would harm it can be refused.
type record struct {
	Storage        string    `json:"storage"`                   // postgres or sqlite
	Instance       string    `json:"instance,omitempty"`        // its name
	Database       string    `json:"database,omitempty"`        // with Postgres
	Buckets        string    `json:"buckets,omitempty"`         // that have the backend's files
	TaleVersion    string    `json:"tale_version,omitempty"`    // of the image
	BackendVersion string    `json:"backend_version,omitempty"` // as /version reports it; "unknown" is not recorded
	Salt           string    `json:"salt,omitempty"`
	Fingerprint    string    `json:"secret_fingerprint,omitempty"`
	Shown          string    `json:"secret_shown,omitempty"` // the fingerprint that logs show, which has no salt
	Updated        time.Time `json:"updated,omitzero"`
}

const recordName = ".tale-runtime.json"

func recordPath(dataDir string) string { return filepath.Join(dataDir, recordName) }

// readRecord returns the zero record for a folder that has none. A record that a
// power cut or a full disk has torn counts as none: it guards against mistakes and
// holds no data, and a container that does not start cannot remove it.
func readRecord(log *slog.Logger, dataDir string) (record, error) {
	var r record
	data, err := os.ReadFile(recordPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		log.Warn("what the volume remembers is damaged; this start is not checked against the last one",
			"file", recordPath(dataDir), "bytes", len(data), "error", err)
		return record{}, nil
	}
	return r, nil
}

func (r record) write(dataDir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot record who uses the volume: %w", err)
	}
	return atomicfile.Write(recordPath(dataDir), append(data, '\n'), 0o600)
}

// fingerprint identifies a secret without giving it away. It is keyed with a salt
// of the volume, so that fingerprints of two volumes cannot be compared.
func fingerprint(salt string, secret config.Secret) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(secret.Reveal()))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// withSecret returns the record with the secret that is in use now.
func (r record) withSecret(secret config.Secret) record {
	if r.Salt == "" {
		r.Salt = rand.Text()
	}
	r.Fingerprint = fingerprint(r.Salt, secret)
	return r
}
