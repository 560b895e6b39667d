package migration_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
)

const legacyRunning = "tale-crawler-blue tale-db tale-platform-blue tale-proxy tale-rag-blue"

func oldStack(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.legacy(h.subject.Project.Dir, true)
	h.subject.NewProxy = true
	return h
}

// migrated checks the end state: each volume is there by its new name, with the data, and
// the sources are as they were.
func (h *host) migrated(sources string) {
	h.t.Helper()
	for old, name := range map[string]string{"platform-data": "platform-data", "db-data": "db-data", "db-backup": "db-backup", "caddy-data": "caddy-data"} {
		h.expect(name, h.data["p_"+name], "data of tale_"+old)
	}
	h.expect("convex-data", h.data["p_convex-data"], "data of tale_platform-data for 1001")
	h.expect("the sources", h.sources(), sources)
	log, err := h.subject.Project.Migrations()
	if err != nil || !log.Has("namespace-volumes") || !log.Has("split-convex") {
		h.t.Errorf("%+v, %v", log, err)
	}
	h.subject.NewProxy = false
	h.expect("pending", h.ids(), "")
}

func TestApply(t *testing.T) {
	h := oldStack(t)
	sources := h.sources()
	run := h.run()
	h.must(run.Apply(t.Context()))
	h.expect("running", h.running(), "")
	if _, err := os.Stat(h.subject.Project.Path("migrations.json")); err == nil {
		t.Error("what can be taken back is logged")
	}
	for _, volume := range []string{"p_caddy-data", "p_caddy-config"} {
		if !slices.Contains(h.calls, "own "+volume) {
			t.Errorf("%s stays root's: %v", volume, h.calls)
		}
	}
	for name, running := range map[string]bool{"left-by-a-killed-run": false, "of-another-tale": true} {
		h.AddContainer(enginetest.Container{Name: name, Image: "tale-helper:1", Volumes: map[string]string{"/from": "tale_db-data"}, Running: running})
	}
	h.must(run.Done(t.Context()))
	if _, err := h.engine.Inspect(t.Context(), "left-by-a-killed-run"); err == nil {
		t.Error("tale_db-data cannot be removed")
	}
	h.expect("running", h.running(), "of-another-tale")
	h.migrated(sources)
	if said := strings.Join(h.said, "\n"); !strings.Contains(said, "docker volume rm tale_db-data (frees 1.0 MB)") {
		t.Error(said)
	}
	if _, err := os.Stat(h.subject.Project.Path("migrating.json")); err == nil {
		t.Error("it can still be taken back")
	}
}

// The database goes last, and has the time that it needs.
func TestStopsAreInOrderAndPatient(t *testing.T) {
	h := oldStack(t)
	h.must(h.run().Apply(t.Context()))
	said := strings.Join(h.said, "\n")
	last := -1
	for _, name := range []string{"tale-crawler-blue", "tale-rag-blue", "tale-proxy", "tale-platform-blue", "tale-db"} {
		at := strings.Index(said, name+" is stopped")
		if at < last {
			t.Errorf("%s is stopped too early:\n%s", name, said)
		}
		last = at
	}
}

func TestNothingStopsWhereTheCopiesDoNotFit(t *testing.T) {
	h := newHost(t)
	h.Info.Name = "elsewhere" // so that a helper is asked for the disk
	h.Disk = "8000000 100000000"
	h.legacy(h.subject.Project.Dir, true)
	err := h.run().Apply(t.Context())
	if exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "8.0 MB free, and the copies need 9.2 MB") {
		t.Error(err)
	}
	h.expect("running", h.running(), legacyRunning)
}

// A volume with a disk of its own needs its room there, and none of the engine's.
func TestACopyThatHasADiskOfItsOwn(t *testing.T) {
	for _, tt := range []struct {
		free   int64
		engine string
		fits   bool
	}{
		{1e6, "90000000 100000000", false},
		{90e6, "9000 100000000", true},
		{-1, "9000 100000000", true},
	} {
		h := newHost(t)
		h.Info.Name, h.Disk = "elsewhere", tt.engine
		h.volume("p_platform-data")
		h.AddVolumeElsewhere("p_convex-data")
		h.contents["p_convex-data"] = migration.Content{Exists: true, Empty: true, Free: tt.free}
		err := h.run().Apply(t.Context())
		if (err == nil) != tt.fits {
			t.Errorf("%+v: %v", tt, err)
		}
		if !tt.fits && (exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "the disk of the volume p_convex-data has 1.0 MB free, and the copy of p_platform-data needs 1.2 MB")) {
			t.Error(err)
		}
	}
}

// What an unfinished copy has already does not need room again.
func TestTheRestOfACopyFits(t *testing.T) {
	h := newHost(t)
	h.Info.Name, h.Disk = "elsewhere", "300000 100000000"
	h.volume("p_platform-data")
	h.volume("p_convex-data")
	h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Bytes: 900 << 10}
	h.must(h.run().Apply(t.Context()))
}

// Whatever fails: what served does again, the sources are as they were, and another run
// comes to the end.
func TestWhatFailsIsTakenBack(t *testing.T) {
	h := oldStack(t)
	before := len(h.calls)
	h.must(h.run().Apply(t.Context()))
	calls := h.calls[before:]
	changes := h.Changes()
	for n, call := range calls {
		if verb, _, _ := strings.Cut(call, " "); verb == "look" || verb == "strays" || slices.Contains(calls[:n], call) {
			continue // of the detection
		}
		h := oldStack(t)
		h.fail = call
		h.takenBack(call)
	}
	for _, call := range changes {
		method, path, _ := strings.Cut(call, " ")
		if slices.Contains([]string{"/containers/create"}, path) || strings.Contains(path, "/wait") {
			continue // of the helper
		}
		h := oldStack(t)
		run := h.run()
		h.Fault(method, path, enginetest.Fault{Status: http.StatusInternalServerError, Message: "broken"}, 1)
		h.takenBackBy(run, call)
	}
}

func (h *host) takenBack(what string) {
	h.t.Helper()
	h.takenBackBy(h.run(), what)
}

func (h *host) takenBackBy(run *migration.Run, what string) {
	h.t.Helper()
	sources := h.sources()
	if err := run.Apply(h.t.Context()); err == nil {
		h.t.Errorf("%s fails and Apply does not", what)
	}
	h.must(run.TakeBack(h.t.Context()))
	h.expect(what+": running", h.running(), legacyRunning)
	h.expect(what+": sources", h.sources(), sources)
	if _, err := os.Stat(h.subject.Project.Path("migrating.json")); err == nil {
		h.t.Errorf("%s: the journal stays", what)
	}
	h.fail = ""
	last := h.run()
	h.must(last.Apply(h.t.Context()))
	h.must(last.Done(h.t.Context()))
	h.expect(what+": running in the end", h.running(), "")
	h.migrated(sources)
}

// Copies that are done go when the deploy that they were for fails: what is started again
// writes to the sources, and a later run copies anew.
func TestCopiesGoWithADeployThatFails(t *testing.T) {
	h := oldStack(t)
	sources := h.sources()
	run := h.run()
	h.must(run.Apply(t.Context()))
	h.service("p", "db", true, map[string]string{"/var/lib/postgresql/data": "p_db-data"})
	h.must(run.TakeBack(t.Context()))
	h.expect("running", h.running(), legacyRunning)
	for name := range h.volumes() {
		if strings.HasPrefix(name, "p_") {
			t.Errorf("%s stays", name)
		}
		delete(h.contents, "p_"+strings.TrimPrefix(name, "tale_"))
	}
	delete(h.contents, "p_convex-data")
	h.data["tale_db-data"] += ", and more since"
	h.must(h.run().Apply(t.Context()))
	h.expect("db-data", h.data["p_db-data"], "data of tale_db-data, and more since")
	_ = sources
}

// A run that was killed at any call of the engine's: another one finishes it, or takes
// back what both have done.
func TestAKilledRunIsFinished(t *testing.T) {
	h := oldStack(t)
	run := h.run()
	before := len(h.Calls())
	h.must(run.Apply(t.Context()))
	total := len(h.Calls()) - before
	for n := range total {
		for _, back := range []bool{false, true} {
			h := oldStack(t)
			sources := h.sources()
			h.killedAfter(n)
			second := h.run()
			if back {
				h.fail = "own p_caddy-config" // the last thing there is to do
				if second.Apply(t.Context()) == nil {
					continue // it was done
				}
				h.must(second.TakeBack(t.Context()))
				h.expect("running", h.running(), legacyRunning)
				continue
			}
			h.must(second.Apply(t.Context()))
			h.must(second.Done(t.Context()))
			h.expect("running", h.running(), "")
			h.migrated(sources)
		}
	}
}

// killedAfter has the engine's connection end for good at one of a run's calls, which is
// all that is left of one that is killed.
func (h *host) killedAfter(calls int) {
	h.t.Helper()
	run := h.run()
	h.Fault("", "*", enginetest.Fault{Slow: time.Nanosecond}, calls)
	h.Fault("", "*", enginetest.Fault{Drop: true}, -1)
	_ = run.Apply(h.t.Context())
	h.Mend()
}

// A killed run's copies, on which the new release has served, are not taken back.
func TestNoWayBackOnceVisitorsWereServed(t *testing.T) {
	h := oldStack(t)
	h.must(h.run().Apply(t.Context()))
	h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_convex-data"})
	second := h.run()
	h.must(second.Apply(t.Context()))
	h.must(second.TakeBack(t.Context()))
	h.expect("running", h.running(), "p-platform-blue")
	if _, there := h.volumes()["p_db-data"]; !there {
		t.Error("the data are gone")
	}
}

func TestConvexOfAColourIsMovedAside(t *testing.T) {
	made := func() *host {
		h := newHost(t)
		h.volume("p_convex-data")
		h.service("p-blue", "convex", true, map[string]string{"/app/data": "p_convex-data"})
		return h
	}
	h := made()
	run := h.run()
	h.must(run.Apply(t.Context()))
	h.expect("running", h.running(), "")
	h.service("p", "convex", true, map[string]string{"/app/data": "p_convex-data"}) // the name is free
	h.must(run.Done(t.Context()))
	if _, err := h.engine.Inspect(t.Context(), "p-convex-before-migration"); err == nil {
		t.Error("the old one stays")
	}
	h.expect("pending", h.ids(), "")

	h = made()
	run = h.run()
	h.must(run.Apply(t.Context()))
	h.must(run.TakeBack(t.Context()))
	h.expect("running again", h.running(), "p-convex")
	h.expect("pending again", h.ids(), "adopt-convex-stateful: move p-convex")

	// One that an earlier run has replaced stays where it is.
	h = made()
	h.must(h.run().Apply(t.Context()))
	h.service("p", "convex", true, map[string]string{"/app/data": "p_convex-data"})
	second := h.run()
	h.must(second.Apply(t.Context()))
	h.must(second.TakeBack(t.Context()))
	h.expect("running in its place", h.running(), "p-convex")
}

// A run that is killed once the name is free is planned for as if the one that had it were
// not there: it would be started by a name that it does not have any more.
func TestWhatAKilledRunHasMovedIsDisplaced(t *testing.T) {
	h := newHost(t)
	h.volume("p_convex-data")
	id := h.service("p-blue", "convex", true, map[string]string{"/app/data": "p_convex-data"})
	displaced := func() string {
		var ids []string
		for _, c := range h.observe().Displaced() {
			ids = append(ids, c.ID)
		}
		return strings.Join(ids, " ")
	}
	h.expect("displaced before", displaced(), id)
	killed := h.run()
	h.must(killed.Apply(t.Context()))
	h.expect("displaced after a kill", displaced(), id)
	next := h.run()
	h.must(next.Apply(t.Context()))
	h.service("p", "convex", true, map[string]string{"/app/data": "p_convex-data"})
	h.must(next.Done(t.Context()))
	h.expect("displaced in the end", displaced(), "")
}

// Notes of a killed run that cannot be read are not passed over.
func TestAJournalThatCannotBeReadIsAnError(t *testing.T) {
	h := oldStack(t)
	h.must(h.subject.Project.Write([]byte("{"), "migrating.json"))
	if _, err := migration.Pending(t.Context(), h.subject); err == nil || !strings.Contains(err.Error(), "migrating.json") {
		t.Error(err)
	}
}

// What the operator has said of a volume counts for the run that finishes a killed one,
// and not for one after a run that was taken back: the same question is asked.
func TestAnAdoptionLastsAsLongAsItsRun(t *testing.T) {
	h := newHost(t)
	for _, name := range []string{"tale_db-data", "tale_platform-data"} {
		h.volume(name)
		h.subject.Adopt = append(h.subject.Adopt, name)
	}
	run := h.run()
	h.fail = "copy p_db-data"
	if run.Apply(t.Context()) == nil {
		t.Fatal("the copy fails")
	}
	h.fail, h.subject.Adopt = "", nil
	h.expect("pending after a kill", h.ids(), "namespace-volumes: tale_db-data>p_db-data; "+split)
	h.must(run.TakeBack(t.Context()))
	h.expect("pending after a failure", h.ids(), "doubt tale_platform-data; doubt tale_db-data")
}

func TestTheJournalNamesWhatWasStopped(t *testing.T) {
	h := oldStack(t)
	h.fail = "copy p_db-data"
	if h.run().Apply(t.Context()) == nil {
		t.Fatal("the copy fails")
	}
	text, err := os.ReadFile(h.subject.Project.Path("migrating.json"))
	h.must(err)
	var journal struct{ Stopped []struct{ Name string } }
	h.must(json.Unmarshal(text, &journal))
	if len(journal.Stopped) != 5 {
		t.Errorf("%s", text)
	}
	if notes := strings.Join(h.pending().Notes, "\n"); !strings.Contains(notes, "docker start tale-") {
		t.Error(notes)
	}
}
