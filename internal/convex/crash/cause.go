package crash

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// cause is one explanation of a crash.
type cause struct {
	cause, fix string
	words      []string              // patterns of lines that prove it
	seen       func(Evidence) string // the proof where no single line is one, or ""
}

func (c cause) proof(e Evidence) string {
	if c.seen != nil {
		return c.seen(e)
	}
	return inLog(strings.Join(c.words, "|"))(e)
}

// moreMemory returns the fix of a lack of it.
func moreMemory() string {
	return place.Here().RaiseMemory("") + ", or lower APPLICATION_MAX_CONCURRENT_* and ISOLATE_MAX_USER_HEAP_SIZE"
}

// causes returns the explanations in the order they are tried: facts before what is
// read from the log, a root before what follows from it. Every pattern stands for
// words of the backend, of its libraries or of Postgres; testdata/last-lines.txt has
// them as they are printed.
func causes() []cause {
	return slices.Concat(
		[]cause{{"out of memory: the kernel killed the backend", moreMemory(), nil, seenOOMKill}},
		machineCauses(), leaseCauses(), databaseCauses(), settingCauses(),
		[]cause{
			{"the backend panicked", "keep crash.log and report it with the lines before; a restart usually helps", nil, seenPanic},
			{"a fatal error, which its log names; the backend ends with code 0 then",
				"look at Postgres' log of that moment, and at the lines before", nil, seenFatal},
			{"an error ended the backend", readLastLines, []string{`common::errors: Caught`, `^Error: `}, nil},
		})
}

// machineCauses returns the limits of the machine and of the container.
func machineCauses() []cause {
	return []cause{
		{"the disk is full", "make room on the data volume (and on the database's); never delete convex/modules or convex/search",
			[]string{`No space left on device`, `Disk quota exceeded`, `database or disk is full`}, nil},
		{"a port is in use", "stop what listens there, or set CONVEX_BACKEND_PORT and CONVEX_SITE_PROXY_PORT",
			[]string{`Address already in use`}, nil},
		{"out of memory: the backend could not allocate", moreMemory(),
			[]string{`memory allocation of \d+ bytes failed`, `Fatal (process|JavaScript) out of memory`}, nil},
		{"the limit of processes and threads is reached", "raise the container's pids limit (" + place.Here().ProcessLimit() + "), or stop what else runs in it",
			[]string{`[Ff]ailed to (spawn|start) thread`, `OS can't spawn worker thread`}, nil},
		{"the limit of open files is reached", "raise the container's limit of open files (" + place.Here().FileLimit() + ")",
			[]string{`Too many open files`}, nil},
	}
}

// leaseCauses returns those about the one row that says which backend writes the database.
func leaseCauses() []cause {
	return []cause{
		{"the database lease was taken at a later time than this machine's clock shows: another backend starts on the same database, or the clock went back (a restored machine)",
			"run one backend per database only and set the machine's clock; if it is right, say UPDATE leases SET ts = 0 while no backend runs",
			[]string{`failed to acquire lease: Already acquired with higher timestamp`}, nil},
		{"another session has locked the database lease, mostly one that a killed backend has left behind",
			"find it in pg_locks (relation leases) and end it: SELECT pg_terminate_backend(PID)", nil, seenLockedLease},
		{"the database lease was lost: another backend took over the same database",
			"run one backend per database only; the backend takes the lease again when it starts", []string{`Lease Lost`}, nil},
	}
}

// databaseCauses returns what Postgres, its driver and SQLite say.
func databaseCauses() []cause {
	return []cause{
		{"the database refuses the login", "compare POSTGRES_URL or DB_USER and DB_PASSWORD with the server, and INSTANCE_NAME with its databases",
			[]string{`password authentication failed`, `no pg_hba\.conf entry`, `FATAL: (role|database) ".*" does not exist`}, nil},
		{"the database has no connection left", "raise max_connections of Postgres or stop other clients",
			[]string{`too many clients already`, `remaining connection slots are reserved`}, nil},
		{"the TLS connection to the database failed", "name the authority of its certificate in PG_CA_FILE, or add ?sslmode=disable to POSTGRES_URL if the network is trusted",
			[]string{`error performing TLS handshake`, `Failed to (read|parse) CA file`, `failed to load native certs`}, nil},
		{"the database takes no writes: it is a standby, or made read-only", "name the primary server in POSTGRES_URL or DB_HOST; the table read_only must be empty",
			[]string{`in a read-only transaction`, `database does not allow writes`, `persistence is read-only`}, nil},
		{"the connection to the database was lost, or could not be made", "look at Postgres' log of that moment: a restart, an out-of-memory kill or a full disk there",
			[]string{`error connecting to server`, `error communicating with the server`, `connection closed`, `Database Timeout`, `terminating connection`, `the database system is`}, nil},
		{"the SQLite file is in use by another process", "stop the other backend on this data folder", []string{`database is locked`}, nil},
		{"the SQLite file is damaged", "restore the data folder from a backup", []string{`database disk image is malformed`, `file is not a database`}, nil},
		{"the database belongs to a backend with another kind of file storage", "go back to the storage that the line quoted here names first",
			[]string{`Database was initialized with .* but backend started up with`, `Cannot use s3 storage path`}, nil},
		{"the database is from a release that this backend cannot migrate any more", "start a backend of a release between the two first, until its log says \"Migration complete\"",
			[]string{`Transition too old!`}, nil},
	}
}

// settingCauses returns what the backend refuses of its command line, environment and
// folders.
func settingCauses() []cause {
	return []cause{
		{"the backend refused its configuration", "compare INSTANCE_NAME, INSTANCE_SECRET, POSTGRES_URL and the variable that the line quoted here is about",
			[]string{`Couldn't hexdecode key`, `Hex-decoded key was \d+ bytes`, `cluster url (username|already)`, `invalid postgres connection url`, `^error: (unexpected argument|invalid value)`}, nil},
		{"the backend has no key for its S3 storage: none is set, and the machine gives it none", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in " + place.Here().Settings() + ", or give the machine or the pod a role",
			[]string{`AWS env variables are required when using S3 storage`}, nil},
		{"the backend may not use one of its folders or files", "give the data folder to the user that the container runs as (1001)",
			[]string{`Permission denied \(os error 13\)`, `unable to open database file`}, nil},
	}
}

func seenOOMKill(e Evidence) string {
	if !e.OutOfMemory {
		return ""
	}
	return e.Killer
}

// seenPanic returns the panic's place and message: Rust prints the message on
// the line after the place.
func seenPanic(e Evidence) string {
	for i := len(e.Lines) - 1; i >= 0; i-- {
		if !strings.Contains(e.Lines[i], "panicked at") {
			continue
		}
		message := strings.TrimSpace(e.Lines[i])
		if i+1 < len(e.Lines) {
			message += " " + strings.TrimSpace(e.Lines[i+1])
		}
		return message
	}
	return ""
}

// seenLockedLease finds a start that ended in the wait for the lease: the backend
// gives up after POSTGRES_TIMEOUT_SECONDS.
func seenLockedLease(e Evidence) string {
	waits := newest(e.Lines, regexp.MustCompile(`attempting to acquire lease`))
	if waits < 0 || newest(e.Lines[waits:], regexp.MustCompile(`lease acquired with ts`)) >= 0 {
		return ""
	}
	return inLog(`Database Timeout`)(Evidence{Lines: e.Lines[waits:]})
}

// seenFatal finds the error of a process that said that it ends for a fatal one.
func seenFatal(e Evidence) string {
	if newest(e.Lines, regexp.MustCompile(`Received a fatal error`)) < 0 {
		return ""
	}
	return inLog(`common::errors: Caught|Received a fatal error`)(e)
}

// inLog returns a search for the newest line that matches.
func inLog(pattern string) func(Evidence) string {
	matcher := regexp.MustCompile(pattern)
	return func(e Evidence) string {
		if i := newest(e.Lines, matcher); i >= 0 {
			return said(e.Lines[i])
		}
		return ""
	}
}

// matchedBytes is how much of a line is matched: an error stands at the beginning,
// and the rest may be a user's data.
const matchedBytes = 512

func newest(lines []string, matcher *regexp.Regexp) int {
	for i := len(lines) - 1; i >= 0; i-- {
		if line := lines[i]; matcher.MatchString(line[:min(len(line), matchedBytes)]) {
			return i
		}
	}
	return -1
}

// said returns a line without what the backend puts before each error.
func said(line string) string {
	if _, words, found := strings.Cut(line, "=debug for full trace): "); found {
		line = words
	}
	return strings.TrimSpace(line)
}
