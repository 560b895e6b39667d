package crash

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	panicLines := []string{
		"2026-01-31T10:00:00Z  INFO convex: fine",
		"thread 'tokio-runtime-worker' panicked at crates/database/src/committer.rs:212:9:",
		"Committer died: index out of bounds",
		"note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
	}
	tests := map[string]struct {
		e        Evidence
		cause    string
		proof    string
		forbid   string
		wantsFix string
	}{
		"oom kill":            {Evidence{Signal: syscall.SIGKILL, Code: 137, OOMKills: 2}, "out of memory", "2 out-of-memory kills", "", "more memory"},
		"kill from elsewhere": {Evidence{Signal: syscall.SIGKILL, Code: 137}, "outside the container killed", "", "out of memory", "kernel log"},
		"oom of another":      {Evidence{Code: 1, OOMKills: 1, Lines: []string{"bye"}}, "not known", "", "memory", ""},
		"allocation":          {Evidence{Signal: syscall.SIGABRT, Code: 134, Lines: []string{"memory allocation of 1073741824 bytes failed"}}, "out of memory", "1073741824", "", "more memory"},
		"panic":               {Evidence{Code: 101, Lines: panicLines}, "panicked", "committer.rs:212:9: Committer died: index out of bounds", "", "report"},
		"port": {Evidence{Code: 1, Lines: []string{"Error: Address already in use (os error 98)"}},
			"port is in use", "Address already in use", "", "CONVEX_BACKEND_PORT"},
		"port with panic": {Evidence{Code: 101, Lines: []string{"thread 'main' panicked at src/main.rs:1:1:", `called unwrap on Err(Os { code: 98, kind: AddrInUse, message: "Address already in use" })`}},
			"port is in use", "AddrInUse", "panicked", ""},
		"disk":         {Evidence{Code: 1, Lines: []string{"Error: could not write: No space left on device (os error 28)"}}, "disk is full", "os error 28", "", "make room"},
		"lease lost":   {Evidence{Code: 0, Lines: []string{"Lease Lost", "Received a fatal error. Shutting down immediately", "Cool down expired. Shutting down"}}, "lease was lost", "Lease Lost", "", "one backend per database"},
		"fatal db":     {Evidence{Code: 0, Lines: []string{"Received a fatal error. Shutting down immediately", "Cool down expired. Shutting down"}}, "ends with code 0", "Cool down expired", "", "Postgres' log"},
		"db refused":   {Evidence{Code: 1, Lines: []string{"Error: error connecting to server: Connection refused (os error 111)"}}, "connection to the database", "os error 111", "", "Postgres' log"},
		"segment":      {Evidence{Code: 101, Lines: []string{"thread 'search' panicked at x.rs:1:1:", "Segment key not found"}}, "missing in the data folder", "Segment key not found", "panicked", "restore"},
		"package":      {Evidence{Code: 1, Lines: []string{`Src Pkg storage key not found?? ObjectKey("x")`}}, "missing in the data folder", "Src Pkg", "", ""},
		"bad secret":   {Evidence{Code: 1, Lines: []string{"Error: Couldn't hexdecode key"}}, "refused its configuration", "hexdecode", "", "INSTANCE_SECRET"},
		"segfault":     {Evidence{Signal: syscall.SIGSEGV, Code: 139}, "native code", "", "", "report"},
		"other signal": {Evidence{Signal: syscall.SIGTERM, Code: 143}, "signal of another process", "", "", ""},
		"silent zero":  {Evidence{Code: 0}, "ended by itself without saying why", "", "", ""},
		"unknown":      {Evidence{Code: 3, Lines: []string{"hello", "bye"}}, "not known", "its last line: bye", "", "last lines"},
		"newest line wins": {Evidence{Code: 1, Lines: []string{"disk quota exceeded: a", "disk quota exceeded: b"}},
			"disk is full", "exceeded: b", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			crash := Read(time.Now(), time.Minute, tt.e)
			if !strings.Contains(crash.Cause, tt.cause) || !strings.Contains(crash.Evidence, tt.proof) || !strings.Contains(crash.Fix, tt.wantsFix) {
				t.Errorf("cause %q, evidence %q, fix %q", crash.Cause, crash.Evidence, crash.Fix)
			}
			if tt.forbid != "" && strings.Contains(crash.Cause, tt.forbid) {
				t.Errorf("cause %q", crash.Cause)
			}
			if crash.Fix == "" {
				t.Errorf("%+v", crash)
			}
		})
	}
}
