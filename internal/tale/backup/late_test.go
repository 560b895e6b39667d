package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// late is a server whose swap of databases goes on when tale has been killed: it waits for a lock.
type late struct {
	Server
	t     *testing.T
	plain Server // nothing is between
	swap  chan int
	drop  func() // when a database is to be removed, and once only
}

func lateServer(t *testing.T) *late {
	t.Helper()
	testkit.Psql(t)
	url := testkit.StartPostgres(t)
	l := &late{t: t, plain: serverOf(t, url), swap: make(chan int, 1)}
	l.Server = serverThrough(t, url, func(run enginetest.ProgramFunc) enginetest.ProgramFunc {
		return func(container string, command []string, in io.Reader, out, errs io.Writer) int {
			text, _ := io.ReadAll(in)
			removes := bytes.Contains(text, []byte("DROP DATABASE"))
			if removes && l.drop != nil {
				drop := l.drop
				l.drop = nil
				drop()
			}
			code := run(container, command, bytes.NewReader(text), out, errs)
			if bytes.Contains(text, []byte(" RENAME TO ")) {
				l.swap <- code
			}
			return code
		}
	})
	testkit.Eventually(t, "the server answers", func() bool { return l.plain.answers(t.Context()) })
	return l
}

func (l *late) query(statements string) []string {
	l.t.Helper()
	lines, err := l.plain.query(l.t.Context(), ownMaintenance, statements)
	must(l.t, err)
	return lines
}

// waits reports whether a statement that begins so waits for a lock.
func (l *late) waits(beginning string) bool {
	return l.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE " + literal(beginning+"%") + ";\n")[0] == "1"
}

// hold keeps a database from being renamed until release.
func (l *late) hold(database string) (release func()) {
	l.t.Helper()
	c, err := l.plain.open(l.t.Context(), ownMaintenance)
	must(l.t, err)
	_, err = c.ask(l.t.Context(), "BEGIN; COMMENT ON DATABASE "+name(database)+" IS NULL; SELECT 1;")
	must(l.t, err)
	return sync.OnceFunc(func() {
		if _, err := c.ask(context.WithoutCancel(l.t.Context()), "ROLLBACK; SELECT 1;"); err != nil {
			l.t.Error(err)
		}
		c.close()
	})
}

// TestASwapThatIsCommittedLate, by what a killed tale has left in the server, after the next run has
// looked and found nothing of it: either that run sees it once it has removed what the swap needs,
// or the swap fails for want of that. A second run ends it.
func TestASwapThatIsCommittedLate(t *testing.T) {
	for what, tt := range map[string]struct {
		holds string // the swap back
		drop  func(l *late, release func())
		after bool // that is removed, it goes on
	}{
		"before it removes": {"shop", func(l *late, release func()) {
			release()
			l.swap <- <-l.swap // it is over
		}, false},
		"while it removes": {"shop_restoring", func(l *late, release func()) {
			go func() {
				testkit.Eventually(l.t, "the removal waits", func() bool { return l.waits("DROP DATABASE") })
				release()
			}()
		}, false},
		"after it has removed": {"shop", func(*late, func()) {}, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l := lateServer(t)
			r := Restore{Engine: l.Engine, Server: l.Server, Volume: "none", Run: "0123456789abcdef-20261130180000", Manifest: Manifest{Databases: []Database{{Name: "shop"}}}}
			for _, database := range []string{"shop", "shop_restoring"} {
				l.query("CREATE DATABASE " + name(database) + ";\n")
			}
			l.query(Database{}.marked("shop_restoring", r.Run) + ";\n")
			release := l.hold(tt.holds)
			killed, kill := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- r.SwapDatabases(killed) }()
			testkit.Eventually(t, "the swap waits", func() bool { return l.waits("ALTER DATABASE") })
			kill(errors.New("killed"))
			<-ended

			r.Manifest = Manifest{} // without its file
			before, err := r.Look(t.Context())
			if must(t, err); !before.Untouched(r.Run) {
				t.Fatal("the swap is not late")
			}
			l.drop = func() { tt.drop(l, release) }
			untouched, err := r.TakeBack(t.Context())
			release()
			if code := <-l.swap; err != nil || untouched != tt.after || (code != 0) != tt.after {
				t.Errorf("it is untouched: %v, %v, and the swap ends with %d", untouched, err, code)
			}
			want := []string{"shop", "shop_before_20261130180000"}
			if tt.after {
				want = want[:1]
			}
			is := l.query("SELECT datname FROM pg_database WHERE datname LIKE 'shop%' ORDER BY 1;\n")
			now, err := r.Look(t.Context())
			if err != nil || now.Untouched(r.Run) != untouched || !slices.Equal(is, want) {
				t.Errorf("there are %v, untouched %v: %v", is, now.Untouched(r.Run), err)
			}
			if again, err := r.TakeBack(t.Context()); err != nil || again != untouched {
				t.Errorf("the second time: %v, %v", again, err)
			}
		})
	}
}
