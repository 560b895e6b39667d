package accesslog

import (
	"encoding/hex"
	"math/rand/v2"
)

const maxID = 128

// requestID returns the id that a request came with, if it came with exactly one that
// can be printed without harm, or a new one.
func requestID(sent []string) string {
	if len(sent) == 1 && validID(sent[0]) {
		return sent[0]
	}
	return newID()
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '=', c == '+':
		default:
			return false
		}
	}
	return true
}

// newID returns 16 random bytes in hexadecimal, the form of a W3C trace id. It only
// has to be different from all others.
func newID() string {
	var bytes [16]byte
	for i := 0; i < len(bytes); i += 8 {
		for n, word := 0, rand.Uint64(); n < 8; n, word = n+1, word>>8 {
			bytes[i+n] = byte(word)
		}
	}
	return hex.EncodeToString(bytes[:])
}
