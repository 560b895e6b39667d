package envsync

// Section is the name of the summary in the boot report.
const Section = "env"

// Summary is what a sync found and changed. It has names and counts,
// never values.
type Summary struct {
	Declared  int      `json:"declared"` // variables of the table
	Desired   int      `json:"desired"`  // those that have a value
	Present   int      `json:"present"`  // those that the deployment holds after the sync
	New       int      `json:"new"`
	Updated   int      `json:"updated"`
	Unchanged int      `json:"unchanged"`
	Removed   int      `json:"removed"`
	Foreign   int      `json:"foreign"` // the operator's own, never touched
	Drift     []string `json:"drift,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}
