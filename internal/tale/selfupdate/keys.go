package selfupdate

import (
	_ "embed" // of the keys
	"fmt"
	"strings"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/exit"
)

//go:embed keys.txt
var pinned string

// pinnedKeys is how many keys a release has: the one that signs, and the next.
const pinnedKeys = 2

// Keys returns the public keys whose signatures this build believes.
func Keys() ([]minisign.PublicKey, error) {
	keys, err := parseKeys(pinned)
	if err == nil && len(keys) != pinnedKeys {
		err = fmt.Errorf("%d of the %d keys of a release are built in", len(keys), pinnedKeys)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Config, "cannot verify releases: %w: this tale was not built as a release; install one by docs/tale.md", err)
	}
	return keys, nil
}

func parseKeys(text string) (keys []minisign.PublicKey, err error) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var key minisign.PublicKey
		if err := key.UnmarshalText([]byte(line)); err != nil {
			return nil, fmt.Errorf("%q is no public key of minisign: %w", line, err)
		}
		for _, other := range keys {
			if other.Equal(key) {
				return nil, fmt.Errorf("the key %q is there twice", line)
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}
