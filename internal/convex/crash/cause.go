package crash

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
)

// cause is one explanation of a crash.
type cause struct {
	cause, fix string
	// seen returns the proof, or "" when there is none.
	seen func(Evidence) string
}

// causes returns the explanations in the order they are tried: facts before what is
// read from the log, a root before what follows from it.
func causes() []cause {
	return []cause{
		{"out of memory: the kernel killed the backend",
			"give the container more memory, or lower APPLICATION_MAX_CONCURRENT_* and ISOLATE_MAX_USER_HEAP_SIZE", seenOOMKill},
		{"the disk is full",
			"make room on the data volume (and on the database's); never delete convex/modules or convex/search",
			inLog(`(?i)no space left on device|os error 28\b|disk quota exceeded|database or disk is full`)},
		{"a port is in use",
			"stop what listens there, or set CONVEX_BACKEND_PORT and CONVEX_SITE_PROXY_PORT",
			inLog(`(?i)address already in use|AddrInUse|os error 98\b`)},
		{"out of memory: the backend could not allocate",
			"give the container more memory, or lower APPLICATION_MAX_CONCURRENT_* and ISOLATE_MAX_USER_HEAP_SIZE",
			inLog(`(?i)memory allocation of \d+ bytes failed|fatal process out of memory|heap out of memory|cannot allocate memory|os error 12\b`)},
		{"the database lease was lost: another backend took over the same database, or the database was away for too long",
			"run one backend per database only, and look at Postgres' log of that moment; the backend takes the lease again when it starts",
			inLog(`(?i)lease lost|failed to acquire lease`)},
		{"the connection to the database was lost",
			"look at Postgres' log of that moment: a restart, an out-of-memory kill or a full disk there",
			inLog(`(?i)error connecting to server|(postgres|database|db).*(connection (refused|closed|reset)|timeout|terminat)|connection closed.*postgres|the database system is (shutting down|starting up|in recovery)|terminating connection`)},
		{"a fatal error of the database connection; the backend ends with code 0 then",
			"look at Postgres' log of that moment; the lines before say what the backend met",
			inLog(`Received a fatal error\. Shutting down|Cool down expired`)},
		{"a file of a search index or of the functions' source is missing in the data folder, to which the database still refers",
			"restore convex/search and convex/modules of the same moment as the database, or deploy again with all modules; deleting more makes it worse",
			inLog(`(?i)segment.*not found|storage key not found|(search|modules)/\S*.*no such file or directory`)},
		{"the backend panicked",
			"keep crash.log and report it with the lines before; a restart usually helps", seenPanic},
		{"the backend refused its configuration",
			"compare INSTANCE_NAME, INSTANCE_SECRET and POSTGRES_URL with the line quoted here",
			inLog(`(?i)couldn't hexdecode key|was \d+ bytes, not 32|cluster url|^error: .*(unexpected argument|required arguments|invalid value)`)},
	}
}

func seenOOMKill(e Evidence) string {
	if e.Signal != syscall.SIGKILL || e.OOMKills == 0 {
		return ""
	}
	return fmt.Sprintf("the cgroup counts %d out-of-memory kills since the backend started", e.OOMKills)
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

// matchedBytes is how much of a line is matched: an error stands at the beginning,
// and the rest may be a user's data.
const matchedBytes = 512

// inLog returns a search for the newest line that matches.
func inLog(pattern string) func(Evidence) string {
	matcher := regexp.MustCompile(pattern)
	return func(e Evidence) string {
		for i := len(e.Lines) - 1; i >= 0; i-- {
			if line := e.Lines[i]; matcher.MatchString(line[:min(len(line), matchedBytes)]) {
				return strings.TrimSpace(line)
			}
		}
		return ""
	}
}
