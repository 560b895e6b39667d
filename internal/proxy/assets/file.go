package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"
)

// Encodings of a form of a file, as Content-Encoding has them.
const (
	identity = ""
	brotli   = "br"
	zstd     = "zstd"
	gzip     = "gzip"
)

// record is a file as the index on disk has it.
type record struct {
	Path     string          `json:"path"`
	Header   http.Header     `json:"header"`   // of the application's answer
	Tag      string          `json:"tag"`      // its ETag
	Named    bool            `json:"named"`    // immutable by its name
	Finished bool            `json:"finished"` // compressed, if that pays
	Forms    map[string]form `json:"forms"`    // by encoding
}

// What a record takes in memory beside its texts, about, in bytes.
const (
	recordOverhead = 1 << 10
	valueOverhead  = 100
)

// held returns how much memory the record takes.
func (r record) held() int64 {
	n := recordOverhead + len(r.Path) + len(r.Tag)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + valueOverhead
		}
	}
	return int64(n)
}

// form is one encoding of a file: its bytes are in the blob that Sum names.
type form struct {
	Sum  string `json:"sha256"`
	Size int64  `json:"size"`
}

// file is a record in use. It never changes, but for its state: another version of
// the record is another file.
type file struct {
	record
	modified time.Time
	*state
}

// state is what changes about a file, whatever becomes of its record.
type state struct {
	used atomic.Int64 // when it was last asked for or checked, in Unix seconds
	// checked is the version of the upstream that was asked whether the file is still
	// the same: it is, or it is not there any more.
	checked atomic.Uint64
}

func newFile(r record, used time.Time) *file {
	f := &file{record: r, state: new(state)}
	f.modified, _ = http.ParseTime(r.Header.Get("Last-Modified"))
	f.used.Store(used.Unix())
	return f
}

// revised returns the file with another record.
func (f *file) revised(r record) *file {
	return &file{record: r, modified: f.modified, state: f.state}
}

// block is what a file system gives to a file at least.
const block = 4 << 10

func onDisk(size int64) int64 { return (size + block - 1) / block * block }

var sumForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// nameOf returns the file name of a record.
func nameOf(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])
}

// readRecord reads a record that may have been torn.
func readRecord(name string) (record, error) {
	var r record
	data, err := os.ReadFile(name)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	if kindOf(r.Path) == never || nameOf(r.Path) != filepath.Base(name) || r.Forms[identity].Sum == "" || r.Header.Get("Content-Type") == "" {
		return r, fmt.Errorf("it is not whole")
	}
	for encoding, f := range r.Forms {
		if !sumForm.MatchString(f.Sum) || f.Size < 0 {
			return r, fmt.Errorf("its form %q is not whole", encoding)
		}
	}
	return r, nil
}

// kept returns the part of an answer's header that goes to visitors with the file.
func kept(header http.Header) http.Header {
	header = header.Clone()
	for _, name := range []string{
		"Accept-Ranges", "Age", "Alt-Svc", "Connection", "Content-Digest", "Content-Encoding", "Content-Length", "Content-Md5", "Date", "Digest", "Etag", "Keep-Alive",
		"Proxy-Connection", "Repr-Digest", "Server", "Server-Timing", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Vary", "Via", "X-Request-Id",
	} {
		header.Del(name)
	}
	return header
}
