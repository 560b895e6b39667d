package supervise

// ChildrenOf lists the children of any process.
func ChildrenOf(pid int) []int { return childrenOf(pid) }

// StatusField returns the value of a field of a status file in /proc.
func StatusField(path, field string) (string, error) { return statusField(path, field) }
