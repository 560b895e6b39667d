package backup

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

const (
	formVersion  = 2 // 1 had no rights
	manifestName = "manifest.json"
	mostManifest = 256 << 20
)

// Manifest says what a backup is and what it consists of.
type Manifest struct {
	Format  int       `json:"format"`
	Project string    `json:"project"`
	Moment  time.Time `json:"moment"` // that the data are of
	Tale    string    `json:"tale"`   // the version of the command
	// Release is the version of convex, whose migrations of the data go forward only; ""
	// if it is not known.
	Release  string            `json:"release,omitempty"`
	Images   map[string]string `json:"images,omitempty"` // ids by service
	Postgres string            `json:"postgres"`         // version of the server
	Held     float64           `json:"heldSeconds"`      // how long convex stood still
	Secret   Fingerprint       `json:"instanceSecret"`
	// Volume is nil for a backup without files, which cannot be restored.
	Volume    *Volume    `json:"volume,omitempty"`
	Databases []Database `json:"databases"`
	Streams   []Stream   `json:"streams"`
	Sum       string     `json:"sum"` // SHA-256 of this document with "" here
	Left      xattr.Left `json:"-"`   // what the backup does not have, as who takes it is told
}

// Stream is something in the file, in one member or several.
type Stream struct {
	Name  string `json:"name"`
	Parts []Part `json:"parts"`
}

// Part is a member of the file.
type Part struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Volume says what the copy of a volume has to come to.
type Volume struct {
	Name    string   `json:"name"` // as in stack
	Files   int64    `json:"files"`
	Bytes   int64    `json:"bytes"`
	Tree    string   `json:"tree"` // SHA-256 of all names, contents and attributes
	Sockets []string `json:"sockets,omitempty"`
}

// Room returns how many bytes a disk should have for it, where each file takes up to a
// block more than it has bytes.
func (v Volume) Room() int64 { return v.Bytes + v.Files*4096 + reserve }

// Room returns how many bytes the databases take on their server, with its log of changes,
// which it keeps up to a limit.
func (m Manifest) Room() (bytes int64) {
	for _, d := range m.Databases {
		bytes += d.Bytes
	}
	return bytes + min(bytes, maxLog)
}

// maxLog is what Postgres has for max_wal_size where nothing else is set.
const maxLog = 1 << 30

// RoleSettings are as Database.Settings, of a role; "" is that which the backup was taken
// with, and is restored for that which restores.
type RoleSettings struct {
	Role     string   `json:"role"`
	Settings []string `json:"settings"`
}

// Database is what a dump does not say of its database.
type Database struct {
	Name     string   `json:"name"`
	Bytes    int64    `json:"bytes"` // on the server's disk
	Encoding string   `json:"encoding"`
	Collate  string   `json:"collate"`
	Ctype    string   `json:"ctype"`
	Provider string   `json:"provider,omitempty"` // of the locale: c, i, b
	Locale   string   `json:"locale,omitempty"`   // where the provider has its own
	Comment  string   `json:"comment,omitempty"`
	Settings []string `json:"settings,omitempty"` // NAME=VALUE
	// Roles are settings that hold for a role in this database.
	Roles []RoleSettings `json:"roles,omitempty"`
	// Grants are nil for a database that everyone may connect to, as Postgres makes it.
	Grants []Grant `json:"grants,omitzero"`
	// Needs are the roles that rights, policies and settings of the database name.
	Needs []string `json:"needs,omitempty"`
}

// Fingerprint tells whether a secret is the same without revealing it.
type Fingerprint struct {
	Salt string `json:"salt"`
	Sum  string `json:"sum"`
}

// NewFingerprint returns one of a secret, which is random and long.
func NewFingerprint(secret string) Fingerprint {
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails
	return Fingerprint{Salt: hex.EncodeToString(salt[:]), Sum: fingerprint(secret, hex.EncodeToString(salt[:]))}
}

// Is reports whether it is that of a secret.
func (f Fingerprint) Is(secret string) bool {
	return hmac.Equal([]byte(f.Sum), []byte(fingerprint(secret, f.Salt)))
}

func fingerprint(secret, salt string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("INSTANCE_SECRET of a backup, " + salt)) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// has reports whether there is a dump of a database in it.
func (m Manifest) has(database string) bool {
	return slices.ContainsFunc(m.Databases, func(d Database) bool { return d.Name == database })
}

// For returns the manifest without the databases that are none of the project's on a server
// which others may use, and their names. It is an error if the backend's is not in it.
func (m Manifest) For(s Server) (of Manifest, without []string, err error) {
	if !m.has(s.Platform) && s.Container != "" {
		return m, nil, exit.Errorf(exit.Config, "this backup has no database %s, which INSTANCE_NAME of .env names: put the .env of the backup's project there first", s.Platform)
	}
	of, all := m, m.Databases
	of.Databases = nil
	for _, d := range all {
		if s.owns(d.Name) {
			of.Databases = append(of.Databases, d)
		} else {
			without = append(without, d.Name)
		}
	}
	return of, without, nil
}

// ID names the backup: two files of one name have the same content.
func (m Manifest) ID() string { return m.Sum[:16] }

// Bytes returns what it holds before it is unpacked.
func (m Manifest) Bytes() (total int64) {
	for _, stream := range m.Streams {
		for _, part := range stream.Parts {
			total += part.Bytes
		}
	}
	return total
}

func (m Manifest) encode() []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	_ = encoder.Encode(m) // strings and numbers
	return text.Bytes()
}

// sealed returns the manifest with its sum.
func (m Manifest) sealed() Manifest {
	m.Sum = ""
	sum := sha256.Sum256(m.encode())
	m.Sum = hex.EncodeToString(sum[:])
	return m
}

// decodeManifest takes nothing but what encode has made.
func decodeManifest(text []byte) (Manifest, error) {
	var form struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &form); err == nil && form.Format > formVersion {
		return Manifest{}, exit.Errorf(exit.Config, "the backup has format %d, of a newer tale than this one: tale upgrade", form.Format)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil || !bytes.Equal(m.sealed().encode(), text) {
		return Manifest{}, damaged("its manifest is not as it was written")
	}
	return m, nil
}

// damaged returns the error of a file that is not as it was written.
func damaged(how string) error {
	return exit.Errorf(exit.Failure, "the backup is damaged: %s; nothing was changed: take another copy of it", how)
}
