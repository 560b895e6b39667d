package metricsgate

import (
	"crypto/sha256"
	"crypto/subtle"
)

// digest is all that a matcher keeps of a token.
type digest [sha256.Size]byte

func digestOf(token []byte) digest { return sha256.Sum256(token) }

func (d digest) equal(other digest) bool {
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}
