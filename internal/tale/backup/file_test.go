package backup_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
)

// file returns a backup of some streams, one of them in several parts.
func file(t *testing.T, recipients ...age.Recipient) ([]byte, backup.Manifest) {
	t.Helper()
	var out bytes.Buffer
	var to io.Writer = &out
	var sealed io.WriteCloser
	if len(recipients) > 0 {
		var err error
		if sealed, err = age.Encrypt(&out, recipients...); err != nil {
			t.Fatal(err)
		}
		to = sealed
	}
	w := backup.NewWriter(to, time.Unix(1e9, 0))
	large := make([]byte, backup.PartSize+1000)
	_, _ = rand.Read(large)
	stream := w.Stream("volumes/convex-data.tar.zst")
	if err := w.File("project/tale.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for part := range bytes.Lines(large) {
		if _, err := stream.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := w.Close(backup.Manifest{Project: "shop-1a2b3c", Release: "1.2.3", Secret: backup.NewFingerprint("secret"), Databases: []backup.Database{}})
	if err != nil {
		t.Fatal(err)
	}
	if sealed != nil {
		if err := sealed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes(), m
}

func TestAFileIsReadBackAsItWasWritten(t *testing.T) {
	text, m := file(t)
	found, err := backup.Verify(bytes.NewReader(text))
	if err != nil || found.Sum != m.Sum || found.Bytes() != backup.PartSize+1000+2 {
		t.Errorf("%+v, %v", found, err)
	}
	if !found.Secret.Is("secret") || found.Secret.Is("another") {
		t.Error("the fingerprint does not tell secrets apart")
	}
	if bytes.Contains(text, []byte("secret\"")) {
		t.Error("the secret is in the file")
	}
}

// TestDamagedFilesAreRefused flips bits anywhere, cuts anywhere, and adds to the end.
func TestDamagedFilesAreRefused(t *testing.T) {
	text, _ := file(t)
	const head = 4 << 10 // where headers and the small members are; as is the end
	at := func(i int) int {
		switch i % 3 {
		case 0:
			return mathrand.IntN(head)
		case 1:
			return len(text) - 1 - mathrand.IntN(head)
		}
		return mathrand.IntN(len(text))
	}
	for i := range 60 {
		position := at(i)
		flipped := bytes.Clone(text)
		flipped[position] ^= 1 << mathrand.IntN(8)
		refused(t, fmt.Sprintf("bit flipped at %d of %d", position, len(text)), flipped)
		refused(t, fmt.Sprintf("cut at %d of %d", at(i), len(text)), text[:at(i)])
	}
	refused(t, "a block more", append(bytes.Clone(text), make([]byte, 512)...))
	refused(t, "a byte less", text[:len(text)-1])
	refused(t, "twice", append(bytes.Clone(text), text...))
	refused(t, "nothing", nil)
	if _, err := backup.Verify(strings.NewReader(`{"version": 1}`)); !strings.Contains(err.Error(), "may be another file") {
		t.Error(err)
	}
}

func refused(t *testing.T, how string, text []byte) {
	t.Helper()
	if _, err := backup.Verify(bytes.NewReader(text)); err == nil {
		t.Errorf("%s: taken for whole", how)
	} else if !strings.Contains(err.Error(), "damaged") && exit.Code(err) != exit.Config {
		t.Errorf("%s: %v", how, err)
	}
}

func TestSealedFiles(t *testing.T) {
	scrypt, err := age.NewScryptRecipient("right")
	if err != nil {
		t.Fatal(err)
	}
	scrypt.SetWorkFactor(10)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		to         age.Recipient
		passphrase string
		keys       string
		want       int
	}{
		"the passphrase":  {scrypt, "right", "", 0},
		"another":         {scrypt, "wrong", "", exit.NoPermission},
		"the key":         {identity.Recipient(), "", identity.String(), 0},
		"no key":          {identity.Recipient(), "right", "", exit.NoPermission},
		"what is no keys": {identity.Recipient(), "", "nonsense", exit.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			text, m := file(t, tt.to)
			path := filepath.Join(t.TempDir(), "b.age")
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			source, err := backup.Open(path)
			if err != nil || !source.Sealed {
				t.Fatalf("%+v, %v", source, err)
			}
			defer source.Close()
			var keys io.Reader
			if tt.keys != "" {
				keys = strings.NewReader(tt.keys)
			}
			var found backup.Manifest
			if err = source.Unlock(tt.passphrase, keys); err == nil {
				found, err = source.Verify()
			}
			if exit.Code(err) != tt.want || err == nil && found.Sum != m.Sum {
				t.Errorf("%v, want exit code %d", err, tt.want)
			}
			if err != nil {
				return
			}
			// A sealed file that is cut where its own parts end, too, is none.
			for _, cut := range []int{1, 16, 64<<10 + 16, len(text) / 2} {
				if err := os.Truncate(path, int64(len(text)-cut)); err != nil {
					t.Fatal(err)
				}
				if _, err := source.Verify(); err == nil {
					t.Errorf("%d bytes less: taken for whole", cut)
				}
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
