package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const ageHeader = "age-encryption.org/v1\n"

// Recipients returns those who can read a backup: age1… each, or the passphrase.
func Recipients(keys []string, passphrase string) ([]age.Recipient, error) {
	if passphrase != "" {
		recipient, err := age.NewScryptRecipient(passphrase)
		return []age.Recipient{recipient}, err
	}
	var recipients []age.Recipient
	for _, key := range keys {
		found, err := age.ParseRecipients(strings.NewReader(key))
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "cannot encrypt for %q, which is no public key of age: give the line age1… that age-keygen has printed", key)
		}
		recipients = append(recipients, found...)
	}
	return recipients, nil
}

// Source is a backup on the disk.
type Source struct {
	file *os.File
	keys []age.Identity
	// Sealed is true if it is encrypted.
	Sealed bool
}

// Open opens a backup, which is read more than once.
func Open(path string) (*Source, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, exit.Errorf(exit.Usage, "cannot read the backup: %s is no regular file, and a backup is read more than once: write it into a file first", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, exit.Errorf(exit.Config, "cannot open the backup: %w", err)
	}
	head := make([]byte, len(ageHeader))
	_, err = io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("cannot read the backup: %w", err), file.Close())
	}
	return &Source{file: file, Sealed: bytes.Equal(head, []byte(ageHeader))}, nil
}

// Close closes it.
func (s *Source) Close() error { return s.file.Close() }

// Unlock takes what decrypts it: a passphrase, or the text of a file of keys.
func (s *Source) Unlock(passphrase string, keys io.Reader) (err error) {
	if keys != nil {
		if s.keys, err = age.ParseIdentities(keys); err != nil {
			return exit.Errorf(exit.Usage, "cannot decrypt the backup: the file of --identity has no keys of age, which are lines AGE-SECRET-KEY-1…; age-keygen has written it")
		}
		return nil
	}
	identity, err := age.NewScryptIdentity(passphrase)
	s.keys = []age.Identity{identity}
	return err
}

// Reader reads it from its beginning, decrypted.
func (s *Source) Reader() (io.Reader, error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read the backup: %w", err)
	}
	buffered := bufio.NewReaderSize(s.file, 1<<20)
	if !s.Sealed {
		return buffered, nil
	}
	plain, err := age.Decrypt(buffered, s.keys...)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, exit.Errorf(exit.NoPermission, "the backup is encrypted for another passphrase or key")
	}
	if err != nil {
		return nil, damaged(err.Error())
	}
	return plain, nil
}

// Verify reads all of it.
func (s *Source) Verify() (Manifest, error) {
	reader, err := s.Reader()
	if err != nil {
		return Manifest{}, err
	}
	return Verify(reader)
}
