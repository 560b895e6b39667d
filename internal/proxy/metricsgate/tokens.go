package metricsgate

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"
)

// digest is all that is kept of a token: neither a dump of the configuration nor
// one of the memory gives the token away.
type digest [sha256.Size]byte

func digestOf(token []byte) digest { return sha256.Sum256(token) }

func (d digest) equal(other digest) bool {
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}

// tokens are the digests by name. They belong to the process because Caddy makes
// its modules from JSON, and JSON is where a token must not be.
var tokens sync.Map // string → digest

// Keep hands the process a token, under the name by which a [Bearer] matcher
// refers to it. It must be called before the configuration is loaded; calling it
// again with another token replaces the first for configurations loaded later.
func Keep(name, token string) {
	tokens.Store(name, digestOf([]byte(token)))
}

func kept(name string) (digest, bool) {
	value, _ := tokens.Load(name)
	d, ok := value.(digest)
	return d, ok
}
