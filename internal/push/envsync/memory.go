package envsync

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Memory remembers what the last sync left behind, as keyed fingerprints, and
// for one purpose: to say whether a difference between our settings and the
// deployment was made there or here. What is written is never decided by it; with
// no memory, as in a new container, a difference is just a difference.
type Memory struct {
	path string
	key  string
	last map[string]string // name → fingerprint; nil when nothing is remembered
}

// OpenMemory reads the memory kept at path, keyed with the instance secret so
// that the file reveals nothing about a value. A file that is missing, damaged or
// of another instance is an empty memory.
func OpenMemory(path, secretHex string) *Memory {
	memory := &Memory{path: path, key: secretHex}
	content, err := os.ReadFile(path)
	if err != nil {
		return memory
	}
	var stored map[string]string
	if json.Unmarshal(content, &stored) == nil && stored[""] == memory.fingerprint("", "") {
		memory.last = stored
	}
	return memory
}

// remember replaces the memory by what the deployment holds now of our names.
func (m *Memory) remember(goal Goal) error {
	if m == nil {
		return nil
	}
	m.last = map[string]string{"": m.fingerprint("", "")}
	for name, value := range goal.Values {
		m.last[name] = m.fingerprint(name, value)
	}
	content, err := json.Marshal(m.last)
	if err != nil {
		return fmt.Errorf("cannot remember the sync: %w", err)
	}
	if err := atomicfile.WriteVolatile(m.path, content, 0o600); err != nil {
		return fmt.Errorf("cannot remember the sync: %w", err)
	}
	return nil
}

// driftedTo reports whether the deployment's value, "" for none, is not the one
// that the last sync left. Without a memory of the name it is not known, and false.
func (m *Memory) driftedTo(name, have string) bool {
	if m == nil {
		return false
	}
	last, known := m.last[name]
	return known && last != m.fingerprint(name, have)
}

func (m *Memory) fingerprint(name, value string) string {
	mac := hmac.New(sha256.New, []byte(m.key))
	mac.Write([]byte("environment variable\x00" + name + "\x00" + value))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
