package supervise

import "time"

// ChildrenOf lists the children of any process.
func ChildrenOf(pid int) []int { return childrenOf(pid) }

// StatusField returns the value of a field of a status file in /proc.
func StatusField(path, field string) (string, error) { return statusField(path, field) }

// ProbeQuickly shortens the pauses between the probes of a service.
func ProbeQuickly(s Service) Service {
	s.probes = &probeTiming{fast: time.Millisecond, slow: 10 * time.Millisecond, limit: 100 * time.Millisecond, failures: 3}
	return s
}

// ResidentBytes is the resident memory of a process.
func ResidentBytes(pid int) int64 { return residentBytes(pid) }
