package migration_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	allNamespaced = "namespace-volumes: tale_platform-data>p_platform-data tale_db-data>p_db-data tale_db-backup>p_db-backup tale_caddy-data>p_caddy-data tale_caddy-config>p_caddy-config tale_rag-data>p_rag-data tale_crawler-data>p_crawler-data"
	split         = "split-convex: p_platform-data>p_convex-data"
)

func TestNothingIsPendingInANewProject(t *testing.T) {
	h := newHost(t)
	h.expect("pending", h.ids(), "")
	if len(h.calls) != 0 || len(h.Changes()) != 0 {
		t.Errorf("it looks into volumes %v and changes %v", h.calls, h.Changes())
	}
}

// The layouts of earlier releases, each with what it lacks.
func TestLayoutsOfEarlierReleases(t *testing.T) {
	all := func(h *host) { h.legacy(h.subject.Project.Dir, true) }
	for _, tt := range []struct {
		name string
		make func(*host)
		want string
		stop string
	}{
		{"before 0.2.33", all, allNamespaced + "; " + split + "; adopt-runtime-images: own p_caddy-data own p_caddy-config", "tale-crawler-blue tale-db tale-platform-blue tale-proxy tale-rag-blue"},
		{"0.2.33", func(h *host) {
			h.volume("p_platform-data")
			h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_platform-data"})
			h.service("p", "db", true, map[string]string{"/var/lib/postgresql/data": "p_db-data"})
		}, split, "p-platform-blue"},
		{"0.2.33, with the old volumes still there", func(h *host) {
			all(h)
			for _, name := range []string{"platform-data", "db-data", "db-backup", "rag-data", "crawler-data", "caddy-data"} {
				h.volume("p_" + name)
			}
			h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_platform-data"})
			h.service("p-blue", "rag-blue", true, map[string]string{"/app/data": "p_rag-data"})
			h.service("p-blue", "crawler-blue", true, map[string]string{"/app/data": "p_crawler-data"})
			h.service("p", "db", true, map[string]string{"/var/lib/postgresql/data": "p_db-data", "/var/lib/postgresql/backup": "p_db-backup"})
			h.service("p", "proxy", true, map[string]string{"/data": "p_caddy-data"})
			for _, name := range []string{"db", "proxy", "platform-blue", "rag-blue", "crawler-blue"} {
				h.Die("tale-"+name, 0, false)
			}
		}, split + "; namespace-caddy-config: tale_caddy-config>p_caddy-config", "p-platform-blue"},
		{"0.2.34", func(h *host) {
			h.volume("p_platform-data")
			h.volume("p_convex-data")
			h.service("p-blue", "convex", true, map[string]string{"/app/data": "p_convex-data"})
		}, "adopt-convex-stateful: move p-convex", "p-convex"},
		{"0.2.35", func(h *host) {
			h.volume("p_platform-data")
			h.volume("p_convex-data")
			h.service("p", "convex", true, map[string]string{"/app/data": "p_convex-data"})
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			tt.make(h)
			h.subject.NewProxy = strings.HasPrefix(tt.name, "before")
			h.expect("pending", h.ids(), tt.want)
			var stops []string
			for _, c := range h.pending().Stops {
				stops = append(stops, c.Name)
			}
			slices.Sort(stops)
			h.expect("stops", strings.Join(stops, " "), tt.stop)
			if changes := h.Changes(); len(changes) != 0 {
				t.Errorf("looking changes %v", changes)
			}
		})
	}
}

// A development stack has volumes of its own, and nothing of production is touched.
func TestDevelopmentHasLayoutsOfItsOwn(t *testing.T) {
	h := newHost(t)
	h.subject.Development = true
	h.legacy(h.subject.Project.Dir, true)
	h.volume("p_platform-data")
	h.expect("pending", h.ids(), "")
	h.volume("tale-dev_db-data")
	h.volume("p-dev_platform-data")
	h.AddContainer(enginetest.Container{Name: "tale-db-dev", Image: "x:1", Project: "tale-dev", Service: "db", Running: true, Volumes: map[string]string{"/d": "tale-dev_db-data"},
		Labels: map[string]string{"com.docker.compose.project.working_dir": h.subject.Project.Dir}})
	// Its convex is of another compose project than production's, and right where it is.
	h.service("p-dev", "convex", true, map[string]string{"/app": "p-dev_elsewhere"})
	h.expect("pending", h.ids(), "namespace-volumes: tale-dev_db-data>p-dev_db-data; split-convex: p-dev_platform-data>p-dev_convex-data")
}

// A volume whose driver is away is not listed: what a container has is not none for that.
func TestAVolumeThatIsNotListed(t *testing.T) {
	h := newHost(t)
	h.volume("p_platform-data")
	h.service("p-blue", "platform-blue", false, map[string]string{"/app/data": "p_platform-data", "/other": "other_data"})
	h.LoseDriver("other_data")
	h.expect("pending", h.ids(), split)
	h.LoseDriver("p_platform-data")
	_, err := migration.Observe(t.Context(), h.subject)
	testkit.WantError(t, err, exit.Unavailable, "p-platform-blue has a volume that the engine does not list", "is the plugin of the volume's driver there?")
}

func TestAProjectWithoutAServiceNeedsNoneOfItsVolumes(t *testing.T) {
	h := newHost(t)
	h.legacy(h.subject.Project.Dir, false)
	h.subject.Project.File.Services = []string{stack.Convex, stack.Platform, stack.Proxy}
	h.expect("pending", h.ids(), "namespace-volumes: tale_platform-data>p_platform-data tale_caddy-data>p_caddy-data tale_caddy-config>p_caddy-config; "+split)
}

// Volumes of other projects on the host are not looked into, and never taken.
func TestLegacyVolumesHaveToBeOfThisProject(t *testing.T) {
	other := t.TempDir()
	for _, tt := range []struct {
		name   string
		make   func(*host)
		want   string
		looked bool
		note   string
	}{
		{"of another folder", func(h *host) { h.legacy(other, true) }, "", false, "tale_db-data stays as it is: it is of the compose project in " + other},
		{"of nobody", func(h *host) { h.volume("tale_db-data") }, "doubt tale_db-data", true, ""},
		{"of nobody, and empty", func(h *host) { h.AddVolume("tale_db-data", nil) }, "", true, ""},
		{"of a container that does not say", func(h *host) {
			h.volume("tale_db-data")
			h.service("", "x", true, map[string]string{"/x": "tale_db-data"})
		}, "doubt tale_db-data", false, ""},
		{"of two folders", func(h *host) {
			h.volume("tale_db-data")
			for i, dir := range []string{other, h.subject.Project.Dir} {
				h.AddContainer(enginetest.Container{Name: []string{"a", "b"}[i], Image: "x:1", Volumes: map[string]string{"/d": "tale_db-data"}, Labels: map[string]string{"com.docker.compose.project.working_dir": dir}})
			}
		}, "doubt tale_db-data", false, ""},
		{"in a project that was made without", func(h *host) {
			h.volume("tale_db-data")
			h.must(h.subject.Project.LogMigrations("1", migration.IDs(), nil))
		}, "", false, "tale_db-data stays as it is: this project was made without it"},
		{"adopted", func(h *host) { h.volume("tale_db-data"); h.subject.Adopt = []string{"tale_db-data"} }, "namespace-volumes: tale_db-data>p_db-data", true, ""},
		{"left", func(h *host) { h.volume("tale_db-data"); h.subject.Leave = []string{"tale_db-data"} }, "", false, "you have said so"},
		{"left in an earlier run", func(h *host) {
			h.volume("tale_db-data")
			h.must(h.subject.Project.LogMigrations("1", nil, []string{"tale_db-data"}))
		}, "", false, "you have said so"},
		{"empty", func(h *host) { h.AddVolume("tale_db-data", nil); h.subject.Adopt = []string{"tale_db-data"} }, "", true, ""},
		{"adopted, and nothing is asked", func(h *host) {
			h.volume("tale_db-data")
			h.volume("p_db-data")
			h.AddContainer(enginetest.Container{Name: "p-db", Image: "x:1", Project: "p", Service: "db", Running: true, Volumes: map[string]string{"/d": "p_db-data"}})
			h.subject.Adopt = []string{"tale_db-data"}
		}, "", false, "nothing is asked about tale_db-data: what was said of it changes nothing"},
		{"by a link to the folder", func(h *host) {
			link := filepath.Join(t.TempDir(), "link")
			h.must(os.Symlink(h.subject.Project.Dir, link))
			h.volume("tale_db-data")
			h.AddContainer(enginetest.Container{Name: "a", Image: "x:1", Volumes: map[string]string{"/d": "tale_db-data"}, Labels: map[string]string{"com.docker.compose.project.working_dir": link + "/"}})
		}, "namespace-volumes: tale_db-data>p_db-data", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			tt.make(h)
			plan := h.pending()
			h.expect("pending", text(plan), tt.want)
			if looked := len(h.calls) > 0; looked != tt.looked {
				t.Errorf("looked into %v", h.calls)
			}
			if tt.note != "" && !strings.Contains(strings.Join(plan.Notes, "\n"), tt.note) {
				t.Errorf("notes: %q", plan.Notes)
			}
			if len(plan.Unclear) > 0 {
				if exit.Code(plan.Unclear) != exit.Config || !strings.Contains(plan.Unclear.Error(), "--adopt tale_db-data") || !strings.Contains(plan.Unclear.Error(), "--leave tale_db-data") {
					t.Error(plan.Unclear)
				}
			}
		})
	}
}

// A target that holds anything but a copy of the source is never written to.
func TestTargetsThatHoldSomething(t *testing.T) {
	done := time.Now().Add(-time.Hour)
	used := func(running bool) func(*host) {
		return func(h *host) {
			h.volume("p_convex-data")
			h.service("p", "convex", running, map[string]string{"/app/data": "p_convex-data"})
		}
	}
	for _, tt := range []struct {
		name string
		make func(*host)
		want string
	}{
		{"absent", func(*host) {}, split},
		{"empty", func(h *host) { h.AddVolume("p_convex-data", nil) }, split},
		{"half a copy", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data"}
		}, split},
		{"a copy", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Done: done}
		}, ""},
		{"a copy, and the source is another since, whatever the clock says", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Done: time.Now().Add(time.Hour), Copied: 7}
		}, split},
		{"a copy, and the source is written to", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Done: done}
			h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_platform-data"})
		}, split},
		{"a copy that was used", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Done: done, Used: true}
		}, ""},
		{"a copy that was used, and so was the source", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Done: done, Used: true, Copied: 7}
			h.must(h.subject.Project.LogMigrations("1", []string{"split-convex"}, nil))
		}, "doubt p_convex-data"},
		{"the same, and it is to be kept", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "p_platform-data", Done: done, Used: true, Copied: 7}
			h.subject.Adopt = []string{"p_convex-data"}
		}, ""},
		{"a copy of another volume", func(h *host) {
			h.volume("p_convex-data")
			h.contents["p_convex-data"] = migration.Content{Exists: true, From: "elsewhere", Done: done}
		}, "doubt p_convex-data"},
		{"something", func(h *host) { h.volume("p_convex-data") }, "doubt p_convex-data"},
		{"something that is to be kept", func(h *host) { h.volume("p_convex-data"); h.subject.Adopt = []string{"p_convex-data"} }, ""},
		{"something, and the first tool has logged it", func(h *host) {
			h.volume("p_convex-data")
			h.must(h.subject.Project.LogMigrations("0.2.34", []string{"split-convex"}, nil))
		}, ""},
		{"something that is logged, and the source is named", func(h *host) {
			h.volume("p_convex-data")
			h.must(h.subject.Project.LogMigrations("0.2.34", []string{"split-convex"}, nil))
			h.subject.Adopt = []string{"p_platform-data"}
		}, "doubt p_convex-data"},
		{"something that only another migration has logged", func(h *host) {
			h.volume("p_convex-data")
			h.must(h.subject.Project.LogMigrations("0.2.34", []string{"namespace-volumes"}, nil))
		}, "doubt p_convex-data"},
		{"what a service runs on", used(true), ""},
		{"what a service of another project runs on", func(h *host) {
			h.volume("p_convex-data")
			h.service("other", "convex", true, map[string]string{"/app/data": "p_convex-data"})
		}, "doubt p_convex-data"},
		{"what a service was made on and never started", used(false), "doubt p_convex-data"},
		{"what a service has run on", func(h *host) { used(true)(h); h.Die("p-convex", 0, false) }, ""},
		{"what both run on", func(h *host) {
			used(true)(h)
			h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_platform-data"})
		}, "doubt p_convex-data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			h.volume("p_platform-data")
			tt.make(h)
			h.expect("pending", h.ids(), tt.want)
		})
	}
}

// What writes to a volume and is not known to be of this project is not stopped.
func TestForeignWritersAreNotStopped(t *testing.T) {
	h := newHost(t)
	h.volume("p_platform-data")
	h.AddContainer(enginetest.Container{Name: "viewer", Image: "x:1", Project: "tools", Volumes: map[string]string{"/d": "p_platform-data"}, Running: true})
	plan := h.pending()
	if len(plan.Unclear) != 1 || plan.Unclear[0].Question != "" || !strings.Contains(plan.Unclear.Error(), "docker stop viewer") {
		t.Errorf("%+v", plan.Unclear)
	}
}

func TestTheProxysVolumes(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(*host)
		want string
	}{
		{"no new proxy", func(h *host) { h.volume("p_caddy-data"); h.strays["p_caddy-data"] = 1; h.subject.NewProxy = false }, ""},
		{"new", func(*host) {}, ""},
		{"of root", func(h *host) { h.volume("p_caddy-data"); h.strays["p_caddy-data"] = 1 }, "adopt-runtime-images: own p_caddy-data"},
		{"of 1001", func(h *host) { h.volume("p_caddy-data") }, ""},
		{"of a proxy of the shell images", func(h *host) {
			h.volume("p_caddy-data")
			h.volume("p_caddy-config")
			h.strays["p_caddy-data"], h.strays["p_caddy-config"] = 4, 1
			h.service("p", "proxy", true, map[string]string{"/data": "p_caddy-data", "/config": "p_caddy-config"})
			h.must(h.subject.Project.LogMigrations("1", migration.IDs(), nil))
		}, "adopt-runtime-images: own p_caddy-data own p_caddy-config own p_proxy-ca"},
		{"of a proxy of our images, which another one replaces", func(h *host) {
			h.volume("p_caddy-data")
			h.strays["p_caddy-data"] = 1 // not looked at
			h.AddContainer(enginetest.Container{Name: "p-proxy", Image: "new/proxy:1", Project: "p", Service: "proxy", Labels: map[string]string{"org.opencontainers.image.source": "https://github.com/tale-project/tale-runtime"}})
		}, ""},
		{"reset, and made for our images", func(h *host) {
			h.volume("p_caddy-data")
			h.strays["p_caddy-data"] = 1
			h.must(h.subject.Project.LogMigrations("1", migration.IDs(), nil))
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			h.subject.NewProxy = true
			tt.make(h)
			h.expect("pending", h.ids(), tt.want)
		})
	}
}

// An engine that fails, or a volume that cannot be looked into, is never "nothing to do".
func TestDetectionThatFailsIsAnError(t *testing.T) {
	ready := func() *host {
		h := newHost(t)
		h.legacy(h.subject.Project.Dir, true)
		h.volume("p_caddy-data")
		h.strays["p_caddy-data"] = 1
		h.contents["p_caddy-data"] = migration.Content{Exists: true, From: "tale_caddy-data", Done: time.Now().Add(time.Hour)}
		h.service("p-blue", "rag-blue", true, map[string]string{"/app/data": "p_rag-data"})
		h.subject.NewProxy = true
		return h
	}
	h := ready()
	h.pending()
	asked, looked := h.Calls(), h.calls
	if len(asked) < 4 || len(looked) < 6 {
		t.Fatalf("%v, %v", asked, looked)
	}
	for n, call := range asked {
		method, path, _ := strings.Cut(call, " ")
		if strings.HasPrefix(path, "/_ping") || path == "/info" {
			continue
		}
		h := ready()
		before := 0
		for _, earlier := range asked[:n] {
			if earlier == call {
				before++
			}
		}
		if before > 0 {
			h.Fault(method, path, enginetest.Fault{Slow: time.Nanosecond}, before)
		}
		h.Fault(method, path, enginetest.Fault{Status: http.StatusInternalServerError, Message: "broken"}, 1)
		plan, err := migration.Pending(t.Context(), h.subject)
		if err == nil {
			t.Errorf("%s fails the %d. time, and pending is %s", call, before+1, text(plan))
		}
	}
	for _, call := range looked {
		h := ready()
		h.fail = call
		if _, err := h.observe().Pending(t.Context()); err == nil {
			t.Errorf("%s fails, and that is no error", call)
		}
	}
}

// What is pending for those who only look: nothing is changed by it.
func TestPendingIsALook(t *testing.T) {
	h := newHost(t)
	h.legacy(h.subject.Project.Dir, true)
	plan, err := migration.Pending(t.Context(), h.subject)
	h.must(err)
	h.expect("pending", text(plan), allNamespaced+"; "+split+"; adopt-runtime-images: own p_caddy-data own p_caddy-config")
	if changes := h.Changes(); len(changes) != 0 {
		t.Error(changes)
	}
	if entries, _ := os.ReadDir(h.subject.Project.Dir); len(entries) != 0 {
		t.Errorf("%v was written", entries)
	}
	if consent := plan.Consent(5e9, true); !strings.Contains(consent, "3 migrations are applied, 8.4 MB are copied (5.0 GB are free), and these stop for about ") || !strings.Contains(consent, "until the new release serves: tale-crawler-blue, tale-db") {
		t.Error(consent)
	}
}
