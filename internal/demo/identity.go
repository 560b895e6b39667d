package demo

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

const (
	instanceName = "tale_demo"
	identityFile = "identity.json"
)

// identity is what has to stay the same for a second boot in a folder to be
// the same deployment: ports and secrets.
type identity struct {
	Ports   ports   `json:"ports"`
	Secrets secrets `json:"secrets"`
}

// secrets are made up for each folder.
type secrets struct {
	Instance       string `json:"instance"`
	BetterAuth     string `json:"better_auth"`
	Encryption     string `json:"encryption"`
	TrustedHeaders string `json:"trusted_headers"`
	EntraClient    string `json:"entra_client"`
	AgeKey         string `json:"age_key"`
	Database       string `json:"database"`
	Metrics        string `json:"metrics"`
}

// loadIdentity reads the identity of a folder, completes it and writes it back.
func loadIdentity(f *folder) (*identity, error) {
	id := &identity{}
	path := f.join(identityFile)
	switch data, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		id.Secrets = newSecrets()
	case err != nil:
		return nil, fmt.Errorf("cannot read what the last demo left: %w", err)
	default:
		if err := json.Unmarshal(data, id); err != nil {
			return nil, fmt.Errorf("cannot read what the last demo left in %s: %w; remove the folder", path, err)
		}
	}
	if err := id.Ports.choose(); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return nil, err
	}
	return id, atomicfile.Write(path, append(data, '\n'), 0o600)
}

func newSecrets() secrets {
	return secrets{
		Instance: randomHex(), BetterAuth: randomHex(), Encryption: randomHex(), TrustedHeaders: randomHex(),
		EntraClient: randomHex(), AgeKey: "not-an-age-key-" + randomHex(), Database: randomHex(), Metrics: randomHex(),
	}
}

// randomHex returns 32 random bytes as 64 hexadecimal digits.
func randomHex() string {
	value := make([]byte, 32)
	_, _ = rand.Read(value) // never fails, says its documentation
	return hex.EncodeToString(value)
}

// siteURL returns the address that visitors type.
func (i *identity) siteURL() string { return fmt.Sprintf("https://localhost:%d", i.Ports.HTTPS) }
