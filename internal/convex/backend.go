package convex

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

const (
	backendName     = "backend"
	backendLogLimit = 50 << 20
	backendLogKeep  = 10 << 20
)

// backendWatch follows the backend through its restarts: it keeps its output,
// bounds its start, sets readiness by it and explains its crashes.
type backendWatch struct {
	boot    *Boot
	probe   backend.Probe
	mask    func(supervise.Stream, string) string
	tail    crash.Tail
	relay   func(line []byte)
	replace chan error  // why the process must be another
	file    *volume.Log // nil when it cannot be written
	data    *volume.Presence

	mu           sync.Mutex
	stop         context.CancelCauseFunc // of this generation
	began        time.Time               // of this process
	answered     bool                    // has this process
	deadline     *time.Timer             // for its first answer
	due          time.Time               // the same
	database     backend.Database        // as this process has found it
	answersSince time.Time               // but is not ready yet
	lastErr      error                   // of the probe
	lost         error                   // data that was deleted while this process runs
	version      string                  // at /version
	healed       time.Time               // when it was last started again for a lost module
	incurable    bool                    // that did not help, which has been said
	crash        *crash.Crash            // the newest of this boot
	broken       bool                    // writing the file has failed
	finish       func(string, error)     // ends the stage in the report
}

func newBackendWatch(b *Boot) *backendWatch {
	return &backendWatch{
		boot:    b,
		probe:   backend.Probe{Prober: health.NewProber(), Network: b.settings.Network, Name: b.settings.Instance.Name},
		mask:    secretMask(b.settings, b.environ),
		relay:   logging.ChildLines(b.log, backendName),
		replace: make(chan error, 1),
		finish:  func(string, error) {},
	}
}

// openLog opens backend.log. The backend also runs without it.
func (w *backendWatch) openLog() {
	path := filepath.Join(w.boot.settings.Volume.BackendDir(), "backend.log")
	file, err := volume.OpenLog(path, backendLogLimit, backendLogKeep)
	if err != nil {
		w.boot.log.Warn("the backend's output is not kept in the volume", "error", err)
	}
	w.file = file
}

func (w *backendWatch) close() {
	if w.file == nil {
		return
	}
	if err := w.file.Close(); err != nil {
		w.boot.log.Warn("the end of backend.log may be missing", "error", err)
	}
}

// service describes the backend for the supervisor.
func (w *backendWatch) service(trust map[string]string, stop context.CancelCauseFunc) (supervise.Service, error) {
	s := w.boot.settings
	argv, err := s.backend().Argv()
	if err != nil {
		return supervise.Service{}, err
	}
	w.mu.Lock()
	w.stop = stop
	w.mu.Unlock()
	return supervise.Service{
		Process: supervise.Process{
			Name: backendName,
			Argv: argv,
			Env:  s.backend().Environ(w.boot.environ, trust).List(),
			Stop: s.backend().Stop(),
			Line: w.line,
		},
		Restart:  supervise.RestartPolicy{Budget: s.Backend.RestartBudget},
		Replace:  w.replace,
		Critical: true,
		Ready:    w.ready,
		OnState:  w.observe,
		OnSilence: func(since time.Duration, reason string) {
			if w.boot.database.Lost() != nil {
				w.boot.log.Warn("the backend waits for Postgres", "since", since, "reason", reason)
				return
			}
			w.boot.log.Warn("the backend runs and is not ready", "at", s.Network.URL(), "since", since, "reason", reason,
				"fix", "read its last lines; "+place.Here().Restart("convex")+", if it was ready before and hangs")
		},
		Explain: w.whyNotStarted,
		OnExit:  w.exited,
	}, nil
}

// whyNotStarted explains what kept a process from being started; an end is explained as
// a crash.
func (w *backendWatch) whyNotStarted(err error) (cause, fix string) {
	if _, ended := supervise.Ended(err); ended {
		return "", ""
	}
	return w.boot.backendChild().Advise(err)
}

// line keeps and relays one line of the backend.
func (w *backendWatch) line(stream supervise.Stream, line []byte) {
	text := w.mask(stream, string(line))
	if backend.SaysNothing(text) {
		return
	}
	w.tail.Add(text)
	w.relay([]byte(text))
	w.follow(text)
	w.heal(text)
	if w.file == nil {
		return
	}
	err := w.file.WriteLine(text)
	if err != nil && !w.broken {
		w.boot.log.Warn("backend.log is incomplete", "error", err)
	}
	w.broken = err != nil
}

// ready probes for the supervisor. It asks each process once for its
// instance's name; after that the probe should cost little.
func (w *backendWatch) ready(ctx context.Context) error {
	w.mu.Lock()
	ask := w.probe.Identify
	if w.answered {
		ask = w.probe.Version
	}
	w.mu.Unlock()
	version, err := ask(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.version = version
	}
	if err == nil && !w.answered {
		err = w.usesDatabase(time.Now())
	}
	if err == nil {
		err = w.hasData()
	}
	if err == nil {
		err = w.boot.database.Lost()
	}
	w.lastErr = err
	return err
}

// hasData reports, and says once, that what the backend keeps on the volume was deleted.
func (w *backendWatch) hasData() error {
	lost := w.data.Check()
	if lost != nil && w.lost == nil {
		w.boot.log.Error("the backend's data is gone; what it writes now is lost with its process", "error", lost,
			"fix", "stop the container and restore the volume from a backup, with the database of the same moment")
	}
	w.lost = lost
	return lost
}

// whyNotReady returns why a backend that runs is not ready.
func (w *backendWatch) whyNotReady() string {
	if lost := w.boot.database.Lost(); lost != nil {
		return "Postgres does not answer the backend: " + lost.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost != nil {
		return w.lost.Error()
	}
	return "the backend does not answer"
}

// observe receives every change of the backend's state, in order.
func (w *backendWatch) observe(state supervise.State) {
	switch state {
	case supervise.StateStarting:
		w.begin()
		w.boot.NotReady("the backend is starting")
	case supervise.StateReady:
		w.answers()
	case supervise.StateRunning:
		w.boot.NotReady(w.whyNotReady())
	case supervise.StateStopping:
		w.endDeadline()
		w.boot.NotReady("the backend is stopping")
	case supervise.StateBackoff:
		w.boot.NotReady("the backend ended and will be started again")
	default:
		w.endDeadline()
		w.boot.NotReady("the backend has " + state.String())
	}
}

// answers handles a backend that has become ready.
func (w *backendWatch) answers() {
	w.endDeadline()
	w.mu.Lock()
	first, version, stop := !w.answered, w.version, w.stop
	w.answered = true
	w.mu.Unlock()
	if first {
		w.finish(stack.BackendAnswers(version), nil)
		if older := w.boot.guard.RefuseBackend(version); older != nil {
			stop(older)
			return
		}
		w.boot.guard.Remember(version)
	}
	w.boot.becomeReady()
}
