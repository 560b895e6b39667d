package report

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Recorder keeps the report of one boot and writes it at every change. Its
// methods may be called from several goroutines.
type Recorder struct {
	log  *slog.Logger
	path string
	now  func() time.Time

	mu  sync.Mutex
	doc Document
	// broken stops the file, not the boot: one warning says so.
	broken bool
}

// NewRecorder starts a report with all its stages pending, and makes its folder. With an
// empty path nothing is written to disk.
func NewRecorder(log *slog.Logger, path, service, version string, stages ...string) *Recorder {
	r := &Recorder{log: log, path: path, now: time.Now}
	r.doc = Document{Service: service, Version: version, Started: r.now(), State: Running}
	for _, name := range stages {
		r.doc.Stages = append(r.doc.Stages, Stage{Name: name, State: Pending})
	}
	if path != "" {
		_ = os.MkdirAll(filepath.Dir(path), 0o755) // else the first write says why
	}
	r.Update(func(*Document) {})
	return r
}

// Update changes the document and writes it.
func (r *Recorder) Update(change func(*Document)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.doc)
	r.doc.Updated = r.now()
	r.write()
}

// Begin marks a stage as running and returns the function that ends it. Ended
// with an error, it is failed; a stage that was marked Skipped stays so, with
// its reason.
func (r *Recorder) Begin(name string) (end func(detail string, err error)) {
	started := r.now()
	r.stage(name, func(s *Stage) { s.State, s.Started = Running, &started })
	return func(detail string, err error) {
		r.stage(name, func(s *Stage) {
			s.DurationMS = r.now().Sub(started).Milliseconds()
			if s.State == Running {
				s.Detail = detail
			}
			switch {
			case s.State != Running:
			case err != nil:
				s.State = Failed
			default:
				s.State = Done
			}
		})
	}
}

// Skip marks a stage as not needed.
func (r *Recorder) Skip(name, why string) {
	r.stage(name, func(s *Stage) { s.State, s.Detail = Skipped, why })
}

// Attempt counts one more try of a stage.
func (r *Recorder) Attempt(name string) {
	r.stage(name, func(s *Stage) { s.Attempts++ })
}

// SetAttempts says how often a stage was tried, where the stage counts itself.
func (r *Recorder) SetAttempts(name string, n int) {
	r.stage(name, func(s *Stage) { s.Attempts = n })
}

func (r *Recorder) stage(name string, change func(*Stage)) {
	r.Update(func(d *Document) {
		for i := range d.Stages {
			if d.Stages[i].Name == name {
				change(&d.Stages[i])
				return
			}
		}
		s := Stage{Name: name}
		change(&s)
		d.Stages = append(d.Stages, s)
	})
}

// Snapshot returns a copy of the document that no longer changes.
func (r *Recorder) Snapshot() Document {
	r.mu.Lock()
	defer r.mu.Unlock()
	var copied Document
	// A round trip through JSON is the deep copy that cannot forget a field.
	data, err := json.Marshal(r.doc)
	if err == nil {
		err = json.Unmarshal(data, &copied)
	}
	if err != nil {
		r.log.Error("cannot copy the boot report", "error", err)
	}
	return copied
}

func (r *Recorder) write() {
	if r.path == "" || r.broken {
		return
	}
	data, err := json.MarshalIndent(r.doc, "", "  ")
	if err == nil {
		err = atomicfile.WriteVolatile(r.path, append(data, '\n'), 0o600)
	}
	if err != nil {
		r.broken = true
		r.log.Warn("cannot keep the boot report on disk; the status port still has it", "error", err)
	}
}
