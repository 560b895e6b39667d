package engine_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// TestWhatAKilledRunHasNotStartedIsRemoved by the next one that is lent something: it does not
// remove itself. Another project's may be about to be started, and so may a helper that is new.
func TestWhatAKilledRunHasNotStartedIsRemoved(t *testing.T) {
	server, e := fake(t)
	lent := func(project string) map[string]string { return map[string]string{"dev.tale.lent": project} }
	stays := []string{"another project's", "new helper", "old helper that runs", "somebody's", "lent and running"}
	for name, c := range map[string]enginetest.Container{
		"left":                 {Image: "db:17", Labels: lent("shop-1")},
		"another project's":    {Image: "db:17", Labels: lent("shop-12"), Age: time.Hour},
		"lent and running":     {Image: "db:17", Labels: lent("shop-1"), Running: true},
		"old helper":           {Image: "tale-helper:1", Age: time.Hour},
		"old helper that runs": {Image: "tale-helper:1", Age: time.Hour, Running: true},
		"new helper":           {Image: "tale-helper:1", Age: time.Minute},
		"somebody's":           {Image: "db:17", Age: time.Hour},
	} {
		c.Name = name
		server.AddContainer(c)
	}
	id, release, err := e.Lend(t.Context(), "db:17", "none", "shop-1")
	if err != nil {
		t.Fatal(err)
	}
	all, err := e.Everything(t.Context())
	names := map[string]bool{}
	for _, c := range all {
		if c.ID == id {
			names["lent"] = c.State.Running
		} else {
			names[c.Name] = true
		}
	}
	release()
	want := map[string]bool{"lent": true}
	for _, name := range stays {
		want[name] = true
	}
	if err != nil || !maps.Equal(names, want) {
		t.Errorf("there are %v, want %v: %v", slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(want)), err)
	}
}
