package project

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Results of what was done.
const (
	Done        = "done"
	Failed      = "failed"
	RolledBack  = "rolled back"
	Declined    = "declined"
	Interrupted = "interrupted"
	Killed      = "killed" // noted by the next run: it could not itself
)

// Entry is something that was done with the project.
type Entry struct {
	Time    time.Time        `json:"time"`              // of its beginning
	Project string           `json:"project,omitempty"` // the id, as it was then
	User    string           `json:"user"`
	Host    string           `json:"host"`
	Command string           `json:"command"`
	Release string           `json:"version,omitempty"` // that was to serve
	From    string           `json:"from,omitempty"`    // that served before
	Colour  string           `json:"colour,omitempty"`
	Images  map[string]Image `json:"images,omitempty"` // by service
	// Rollback is true where an earlier release was brought back.
	Rollback bool `json:"rollback,omitempty"`
	// Ended is true where the release has ended since it was visited: no way back leads to it.
	Ended bool `json:"ended,omitempty"`
	// Snapshot is the file of the backup that was taken before.
	Snapshot string  `json:"snapshot,omitempty"`
	Result   string  `json:"result"`
	Code     int     `json:"exitCode"`
	Seconds  float64 `json:"seconds"`
	Why      string  `json:"why,omitempty"`
}

// Served reports whether it is of a release that came to serve.
func (e Entry) Served() bool { return e.Result == Done && len(e.Images) > 0 }

// Image is what a service ran.
type Image struct {
	Reference string `json:"reference"`
	ID        string `json:"id"`
	Digest    string `json:"digest,omitempty"` // in its registry
}

const (
	historyName = "history.jsonl"
	// unfinishedName is there while a run is under way, and stays of one that is killed.
	unfinishedName = "unfinished.json"
)

// Record appends an entry to the history, behind that of a run before it that was killed.
// That it cannot, as on a full disk, undoes nothing of what was done: the caller warns.
func (p *Project) Record(entry Entry) error {
	if err := p.Append(entry); err != nil {
		return err
	}
	return p.Finish()
}

// Append does what Record does, but leaves the note of what is under way, until Finish.
func (p *Project) Append(entry Entry) error { return p.append(append(p.killed(entry), entry)) }

// Finish removes the note of what is under way. A run that is killed before has told nobody
// how it ended, so that the same command is given once more.
func (p *Project) Finish() error { return p.Remove(unfinishedName) }

// killed returns the run whose note is there, unless it is this one or has its entry. Without
// one no command would know its snapshot.
func (p *Project) killed(now Entry) []Entry {
	before, there := p.Unfinished()
	if !there || before.Result != "" || before.Time.Equal(now.Time) {
		return nil
	}
	before.Result, before.Why = Killed, "it ended before it could note how, as after a second Ctrl-C"
	return []Entry{before}
}

// Remember appends an entry that is of no run.
func (p *Project) Remember(entry Entry) error { return p.append([]Entry{entry}) }

func (p *Project) append(entries []Entry) error {
	var lines []byte
	for _, entry := range entries {
		entry.Project = cmp.Or(entry.Project, p.File.ID)
		line, err := json.Marshal(entry)
		if err != nil {
			return fmt.Errorf("cannot write the history: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if err := p.MakeFolder(); err != nil {
		return err
	}
	file, err := os.OpenFile(p.Path(historyName), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return permission(fmt.Errorf("cannot write the history: %w", err))
	}
	if torn(file) {
		lines = append([]byte{'\n'}, lines...)
	}
	_, err = file.Write(lines)
	return errors.Join(err, file.Close(), p.Give(p.Path(historyName)))
}

// Begin notes what a run is about to do. Until Record, Unfinished returns it: to another
// run, if this one is killed.
func (p *Project) Begin(e Entry) error {
	// A killed run may have left files that are not whole, with secrets in them.
	left, _ := filepath.Glob(p.Path("compose", ".*.yml.[0-9]*")) // the pattern is well formed
	for _, path := range left {
		_ = os.Remove(path)
	}
	if killed := p.killed(e); killed != nil {
		if err := p.append(killed); err != nil {
			return err
		}
	}
	e.Project = p.File.ID
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return p.Write(append(text, '\n'), unfinishedName)
}

// Unfinished returns what a run was about to do that was killed, and whether there is one.
// It has a result if it had come to its entry in the history.
func (p *Project) Unfinished() (Entry, bool) {
	text, err := os.ReadFile(p.Path(unfinishedName))
	var entry Entry
	if err != nil || json.Unmarshal(text, &entry) != nil {
		return Entry{}, false
	}
	entry.Result = ""
	entries, _ := p.History() // what cannot be read has no entry of it
	for _, e := range entries {
		if e.Time.Equal(entry.Time) && e.Command == entry.Command {
			entry.Result = e.Result
		}
	}
	return entry, true
}

// torn reports whether the last line has no end: its writer was killed, or the disk
// was full.
func torn(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	last := []byte{'\n'}
	_, err = file.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// History returns what was done, the oldest first. It leaves out lines that are torn.
func (p *Project) History() ([]Entry, error) {
	entries, _, err := p.LegibleHistory()
	return entries, err
}

// LegibleHistory does the same, and says how many lines it leaves out: a run that was killed
// may have left one torn, and a newer tale may write others.
func (p *Project) LegibleHistory() (entries []Entry, leftOut int, err error) {
	text, err := ReadFile(p.Path(historyName))
	if ignoreMissing(err) != nil {
		return nil, 0, err
	}
	for line := range bytes.Lines(text) {
		var entry Entry
		switch {
		case json.Unmarshal(line, &entry) == nil && entry.Command != "":
			entries = append(entries, entry)
		case len(bytes.TrimSpace(line)) > 0:
			leftOut++
		}
	}
	return entries, leftOut, nil
}

// Releases returns those of a history that came to serve, the oldest first, without those that
// a rollback has taken back: the last one serves, and the one before it is what another
// rollback leads to. A rollback to what ended as soon as it had visitors takes nothing back:
// the way on from there is to what served before it.
func Releases(entries []Entry) (releases []Entry) {
	for _, e := range entries {
		if !e.Served() {
			continue
		}
		switch i := e.lastIn(releases); {
		case i < 0 || e.Ended && i < len(releases)-1:
		case e.Rollback || i == len(releases)-1:
			releases = releases[:i]
		}
		releases = append(releases, e)
	}
	return releases
}

// lastIn returns where the image of a release served last among others, -1 where it did not. That
// it ended as soon as it had visitors counts where it is the last one, or has nothing better.
func (e Entry) lastIn(releases []Entry) int {
	found := -1
	for i, other := range slices.Backward(releases) {
		switch {
		case other.Images[stack.Platform].ID != e.Images[stack.Platform].ID:
		case !other.Ended || i == len(releases)-1:
			return i
		case found < 0:
			found = i
		}
	}
	return found
}

// FormerID returns the id that the last release was deployed under, "" if it is that of
// tale.json, is not known, or nothing is left of it. All that belongs to it still has that name.
func (p *Project) FormerID() string {
	entries, err := p.History()
	last := LastData(entries)
	if err != nil || last.Project == p.File.ID {
		return ""
	}
	return last.Project
}

// Renamed says that tale.json has another id than the last release was deployed under, "" if
// it has not.
func (p *Project) Renamed() string {
	former := p.FormerID()
	if former == "" {
		return ""
	}
	return fmt.Sprintf(`%s has the id %s, and the last release from this folder was of %s: its containers and volumes still have that name. Put "id": %q back there; in a copy of the folder that is to be a stack of its own, remove %s`,
		FileName, p.File.ID, former, former, p.Path(historyName))
}

// Switched notes for older tools what serves now and what did before. Nothing here
// reads it.
func (p *Project) Switched(colour, previous string) error {
	return errors.Join(p.Write([]byte(colour), colourName), p.Write([]byte(previous), previousName))
}

// Unswitched removes that, since older tools believe what it says.
func (p *Project) Unswitched() error {
	return errors.Join(p.Remove(colourName), p.Remove(previousName))
}

const (
	colourName   = "deployment-color"
	previousName = "deployment-previous-version"
)
