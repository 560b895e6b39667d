package backup

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// TestAFileThatChangesAfterItWasVerified: nothing of the part that differs is unpacked.
func TestAFileThatChangesAfterItWasVerified(t *testing.T) {
	const content = "what is to be restored"
	var file bytes.Buffer
	w := NewWriter(&file, time.Unix(1e9, 0))
	if err := w.File("stream", []byte(content)); err != nil {
		t.Fatal(err)
	}
	m, err := w.Close(Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	read := func(text []byte) (seen string, err error) {
		err = m.each(bytes.NewReader(text), func(_ Stream, from io.Reader) error {
			all, err := io.ReadAll(from)
			seen += string(all)
			return err
		})
		return seen, err
	}
	if seen, err := read(file.Bytes()); seen != content || err != nil {
		t.Fatalf("%q, %v", seen, err)
	}
	if seen, err := read(bytes.Replace(file.Bytes(), []byte("what"), []byte("that"), 1)); seen != "" || !errors.Is(err, errChanged) {
		t.Errorf("%q, %v", seen, err)
	}
}
