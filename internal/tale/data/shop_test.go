package data

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// shop is one whose commands for the data are run.
type shop struct {
	*taletest.Shop
	t   *testing.T
	app *app
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := taletest.NewShop(t)
	return &shop{s, t, &app{s.App}}
}

// opened returns a session of a command, until the end of the test, and what it finds.
func (s *shop) opened() (*session.Session, rollout.State) {
	s.t.Helper()
	opened, err := s.App.Session(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(opened.Close)
	state, err := opened.Observed(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return opened, state
}

// backedUp returns a backup of what the shop has.
func (s *shop) backedUp() (file string) {
	s.t.Helper()
	file = filepath.Join(s.app.Folder, "b.tar")
	if err := s.Run(s.app.backupCommand(), file); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// restoredButPlatform restores a backup while the engine cannot start the web application, whose
// container it returns. After that it can.
func (s *shop) restoredButPlatform(file string) (platform string) {
	s.t.Helper()
	opened, _ := s.opened()
	c, err := opened.Engine.Inspect(s.t.Context(), "shop-1-platform")
	if err != nil {
		s.t.Fatal(err)
	}
	s.Fault("POST", "/containers/"+c.ID+"/start", enginetest.Fault{Status: 500, Message: "no such folder"}, -1)
	testkit.WantError(s.t, s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"), exit.Degraded, "`tale deploy` does: it makes anew what cannot be")
	s.Mend()
	return c.ID
}

// requests returns what a command asks the engine for: method and path, with a star for
// what is a name or an id, and how often.
func (s *shop) requests(do func() error) map[string]int {
	s.t.Helper()
	before := len(s.Calls())
	if err := do(); err != nil {
		s.t.Fatal(err)
	}
	asked := map[string]int{}
	for _, call := range s.Calls()[before:] {
		parts := strings.Split(call, "/")
		for i := 2; i < len(parts); i += 2 {
			if parts[i] != "json" && parts[i] != "create" {
				parts[i] = "*"
			}
		}
		asked[strings.Join(parts, "/")]++
	}
	return asked
}

// eachFails calls do with each request going wrong once, the first of its kind in all ways.
func (s *shop) eachFails(asked map[string]int, do func(how string)) {
	s.t.Helper()
	faults := []enginetest.Fault{{Status: 500, Message: "no"}, {Drop: true}, {Cut: 1}, {Cut: 200}}
	for request, times := range asked {
		method, path, _ := strings.Cut(request, " ")
		for n := range times + len(faults) - 1 {
			fault := faults[n%len(faults)]
			fault.After = max(0, n-len(faults)+1)
			s.Fault(method, path, fault, 1)
			do(fmt.Sprintf("%s with %+v", request, fault))
			s.Mend()
		}
	}
}
