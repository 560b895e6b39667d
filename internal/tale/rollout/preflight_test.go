package rollout_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// override writes what the operator changes of the stack.
func (h *host) override(text string) {
	testkit.WriteTree(h.t, h.project.Dir, map[string]string{"compose.override.yml": text})
}

// unfit returns what stands in the way of a first deploy.
func (h *host) unfit(version string) error {
	h.t.Helper()
	state, err := rollout.Observe(h.t.Context(), h.engine, "p")
	if err != nil {
		h.t.Fatal(err)
	}
	plan, model := h.plan(version, rollout.Scope{})
	if err := state.AskForeign(h.t.Context(), h.engine, model); err != nil {
		h.t.Fatal(err)
	}
	before := len(h.Changes())
	dry := rollout.Preflight(h.t.Context(), h.engine, model, state, &plan, true)
	if changes := h.Changes()[before:]; len(changes) > 0 {
		h.t.Errorf("a dry look changed something: %q", changes)
	}
	err = rollout.Preflight(h.t.Context(), h.engine, model, state, &plan, false)
	if exit.Code(dry) > exit.Code(err) {
		h.t.Errorf("a dry look finds more: %v", dry)
	}
	return err
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	const absent = "9.9.9"
	for _, tt := range []struct {
		name    string
		version string
		prepare func(*host)
		code    int
		want    string
	}{
		{"all is well", "1.0.0", func(*host) {}, 0, ""},
		{"no compose plugin", "1.0.0", func(h *host) { h.Compose = "" }, exit.Unavailable, "compose plugin"},
		{"an old compose plugin", "1.0.0", func(h *host) { h.Compose = "2.19.1" }, exit.Config, "2.20"},
		{"a foreign container", "1.0.0", func(h *host) {
			h.AddContainer(enginetest.Container{Name: "p-db", Image: "r/tale-db:1.0.0", Project: "other"})
		}, exit.Config, `p-db is there and not of this project (its compose project is "other")`},
		{"a foreign volume", "1.0.0", func(h *host) {
			h.AddVolume("p_db-data", map[string]string{"com.docker.compose.project": "other"})
		}, exit.Config, `the volume p_db-data is there and of the project "other"`},
		{"a volume of the command before", "1.0.0", func(h *host) { h.AddVolume("p_db-data", map[string]string{"project": "p"}) }, 0, ""},
		{"a volume of an override", "1.0.0", func(h *host) {
			h.override("services: {db: {volumes: ['data:/var/lib/postgresql/data']}}\nvolumes: {data: {external: true, name: elsewhere}}")
		}, exit.Config, "gives db the volume elsewhere, which is not there: docker volume create elsewhere makes it"},
		{"a volume of ours that an override calls another's", "1.0.0", func(h *host) { h.override("volumes: {db-data: {external: true, name: elsewhere}}") }, exit.Config, "gives db the volume elsewhere"},
		{"one that two services have", "1.0.0", func(h *host) { h.override("volumes: {convex-data: {external: true, name: elsewhere}}") }, exit.Config, "gives convex and platform the volume elsewhere"},
		{"the same, there", "1.0.0", func(h *host) {
			h.override("volumes: {db-data: {external: true, name: elsewhere}}")
			h.AddVolume("elsewhere", nil)
		}, 0, ""},
		{"one that compose makes", "1.0.0", func(h *host) {
			h.override("services: {db: {volumes: ['more:/more']}}\nvolumes: {more: {driver: local, driver_opts: {type: tmpfs, device: tmpfs}}}")
		}, 0, ""},
		{"a network of an override", "1.0.0", func(h *host) {
			h.override("services: {proxy: {networks: [internal, front]}}\nnetworks: {front: {external: true, name: edge}}")
		}, exit.Config, "puts proxy into the network edge, which is not there: docker network create edge makes it"},
		{"a network of a swarm, which need not be known here", "1.0.0", func(h *host) {
			h.override("services: {proxy: {networks: [internal, front]}}\nnetworks: {front: {external: true, name: edge, driver: overlay}}")
		}, 0, ""},
		{"a volume of the stack by another key", "1.0.0", func(h *host) {
			h.override("services: {platform: {volumes: ['files:/files:ro']}}\nvolumes: {files: {external: true, name: p_convex-data}}")
		}, 0, ""},
		{"the same, there", "1.0.0", func(h *host) {
			h.override("services: {proxy: {networks: [internal, front]}}\nnetworks: {front: {external: true, name: edge}}")
			h.AddNetwork("edge", nil)
		}, 0, ""},
		{"an image that nobody has", absent, func(*host) {}, exit.Config, "tale-platform:" + absent},
		{"an image for another machine", absent, func(h *host) {
			for _, service := range h.project.Services() {
				h.AddRemote(enginetest.Image{Tags: []string{"r/tale-" + service.Name + ":" + absent}, Arch: "riscv64"})
			}
		}, exit.Config, "only for linux/riscv64"},
		{"a registry that wants a login", absent, func(h *host) {
			h.Fault(http.MethodGet, "/distribution/*/json", enginetest.Fault{Status: http.StatusUnauthorized, Message: "unauthorized: authentication required"}, -1)
		}, exit.NoPermission, "docker login"},
		{"a full disk", absent, func(h *host) {
			for _, service := range h.project.Services() {
				h.AddRemote(enginetest.Image{Tags: []string{"r/tale-" + service.Name + ":" + absent}})
			}
			h.Info.Name, h.Disk = "elsewhere", "1000 100000"
		}, exit.Unavailable, "cleanup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHostWith(t, tt.prepare)
			err := h.unfit(tt.version)
			if exit.Code(err) != tt.code {
				t.Errorf("exit code %d, want %d: %v", exit.Code(err), tt.code, err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
		})
	}
}

// TestAFileThatIsNotThere of which the plan tells: the engine's host may have it.
func TestAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	for override, want := range map[string]string{
		"services: {convex: {secrets: [s]}}\nsecrets: {s: {file: no.txt}}":                                       "gives convex DIR/no.txt, which is not there",
		"services: {convex: {configs: [s]}}\nconfigs: {s: {file: no.txt}}":                                       "gives convex DIR/no.txt, which is not there",
		"services: {convex: {configs: [s]}}\nconfigs: {s: {content: text}}":                                      "",
		"services: {convex: {devices: ['/no/device']}}":                                                          "gives convex /no/device, which is not there",
		"services: {convex: {volumes: [{type: bind, source: no, target: /x, bind: {create_host_path: false}}]}}": "gives convex DIR/no, which is not there",
		"services: {convex: {volumes: [{type: bind, source: no, target: /x}]}}":                                  "",
		"services: {convex: {volumes: [{type: bind, source: ., target: /x, bind: {create_host_path: false}}]}}":  "",
	} {
		h := newHostWith(t, func(h *host) { h.override(override) })
		plan, model := h.plan("1.0.0", rollout.Scope{})
		err := rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, true)
		notes := strings.Join(plan.Notes, " ")
		if err != nil || strings.Contains(notes, "which is not there") != (want != "") || !strings.Contains(notes, strings.ReplaceAll(want, "DIR", h.project.Dir)) {
			t.Errorf("%s: notes %q, error %v", override, plan.Notes, err)
		}
	}
}

// looks are volumes that are only looked into.
type looks struct {
	migration.Volumes
	content map[string]migration.Content
}

func (l looks) Look(_ context.Context, name string) (migration.Content, error) {
	return l.content[name], nil
}

// TestTheRoomOfCopies is what is still to copy, and that of the disk that it goes to.
func TestTheRoomOfCopies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		free  int64 // on the target's own disk
		there int64 // of the copy
		local bool
		want  string
	}{
		"the target's own disk":          {free: 90e9},
		"the target's own disk is small": {free: 1e6, want: "the disk of the volume p_convex-data has 1.0 MB free"},
		"the engine's is small":          {local: true, want: "need some 11 GB"},
		"the rest fits":                  {local: true, there: 9.5e9},
	} {
		h := newHostWith(t, func(h *host) { h.Info.Name, h.Disk = "elsewhere", "1000000000 100000000000" })
		h.AddVolume("p_platform-data", nil)
		if !tt.local {
			h.AddVolumeElsewhere("p_convex-data")
		} else if tt.there > 0 {
			h.AddVolume("p_convex-data", nil)
		}
		subject := migration.Of(h.engine, h.project, false)
		subject.Volumes = looks{content: map[string]migration.Content{
			"p_platform-data": {Exists: true, Bytes: 10e9, Files: 3},
			"p_convex-data":   {Exists: true, Empty: tt.there == 0, From: "p_platform-data", Bytes: tt.there, Free: tt.free},
		}}
		pending, err := migration.Pending(t.Context(), subject)
		if err != nil || len(pending.Steps) == 0 {
			t.Fatalf("%s: %+v, %v", name, pending, err)
		}
		plan, model := h.plan("1.0.0", rollout.Scope{})
		plan.Migrations = pending.Steps
		err = rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, false)
		if (err == nil) != (tt.want == "") || err != nil && (exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: exit code %d, %v; want %q", name, exit.Code(err), err, tt.want)
		}
	}
}

// TestARegistryIsToldOnce, whatever keeps it from handing out its images.
func TestARegistryIsToldOnce(t *testing.T) {
	t.Parallel()
	for said, code := range map[string]int{
		"unauthorized: authentication required":        exit.NoPermission,
		"toomanyrequests: slow down":                   exit.Unavailable,
		"dial tcp: lookup r on 10.0.0.1: no such host": exit.Unavailable,
	} {
		h := newHostWith(t, func(h *host) {
			h.Fault(http.MethodGet, "/distribution/*/json", enginetest.Fault{Status: http.StatusInternalServerError, Message: said}, -1)
		})
		err := h.unfit("9.9.9")
		if exit.Code(err) != code || strings.Count(err.Error(), said) != 1 || strings.Count(err.Error(), "\n") != 1 {
			t.Errorf("%s: exit code %d: %v", said, exit.Code(err), err)
		}
		for _, service := range h.project.Services() {
			if image := "r/tale-" + service.Name + ":9.9.9"; !strings.Contains(err.Error(), image) {
				t.Errorf("%s: %s is not named: %v", said, image, err)
			}
		}
	}
}

// TestAnImageOfAnotherPlatform: it is here, so somebody has meant it.
func TestAnImageOfAnotherPlatform(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.AddImage(enginetest.Image{Tags: []string{"r/tale-platform:2.0.0"}, Arch: "riscv64"})
	plan, model := h.plan("2.0.0", rollout.Scope{Only: []string{stack.Platform}})
	err := rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, true)
	if err != nil || !strings.Contains(strings.Join(plan.Notes, " "), "is made for linux/riscv64 and the engine is linux/amd64") {
		t.Errorf("notes %q, error %v", plan.Notes, err)
	}
}

// TestAnImageOfAnotherService: it would say something of its own service, and not what is wrong.
func TestAnImageOfAnotherService(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]string{
		"tale-proxy":    "r/tale-platform:2.0.0 is an image of proxy (its title is tale-proxy), and not of platform",
		"tale-platform": "", "tale-shop": "", "proxy": "", "": "",
	} {
		h := newHost(t)
		h.AddImage(enginetest.Image{Tags: []string{"r/tale-platform:2.0.0"}, Labels: map[string]string{"org.opencontainers.image.title": title}})
		plan, model := h.plan("2.0.0", rollout.Scope{Only: []string{stack.Platform}})
		err := rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, true)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", title, err)
		case want != "":
			testkit.WantError(t, err, exit.Config, want, "correct `images` in tale.json")
		}
	}
}

// TestAPulledImageOfAnotherService is seen once it has come, before anything changes.
func TestAPulledImageOfAnotherService(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.AddRemote(enginetest.Image{Tags: []string{"docker.io/r/tale-platform:3.0.0", "r/tale-platform:3.0.0"}, Labels: map[string]string{"org.opencontainers.image.title": "tale-proxy"}})
	testkit.WantError(t, h.deploy(t.Context(), "3.0.0", rollout.Scope{Only: []string{stack.Platform}}), exit.Config, "r/tale-platform:3.0.0 is an image of proxy")
	h.want("platform-blue 1.0.0", all)
}

// TestANetworkThatWasThere: of another project, or one that nobody outside reaches.
func TestANetworkThatWasThere(t *testing.T) {
	t.Parallel()
	for whose, want := range map[string]bool{"other": true, "p": false, "p-blue": false} {
		h := newHostWith(t, func(h *host) {
			labels := map[string]string{"com.docker.compose.project": whose}
			if h.AddNetwork("p_internal", labels); whose == "other" {
				h.AddInternalNetwork("p_internal", labels)
			}
		})
		plan, model := h.plan("1.0.0", rollout.Scope{})
		err := rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, true)
		notes := strings.Join(plan.Notes, " ")
		if err != nil || strings.Contains(notes, `is of the project "other"`) != want || strings.Contains(notes, "was made internal") != want {
			t.Errorf("of %s: notes %q, error %v", whose, plan.Notes, err)
		}
	}
}

// TestAProxyForContainers: the docker command hands it to all of them.
func TestAProxyForContainers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	plan, model := h.plan("1.0.0", rollout.Scope{})
	for without, want := range map[string]bool{"": true, "localhost,.lan": true, "localhost, convex": false, "*": false} {
		folder := t.TempDir()
		testkit.WriteTree(t, folder, map[string]string{"config.json": `{"proxies": {"default": {"httpProxy": "http://proxy.lan:3128", "noProxy": "` + without + `"}}}`})
		docker := h.Connect(t, engine.Options{Docker: h.Docker(t), Environ: config.Environ{"DOCKER_CONFIG": folder}})
		plan := plan
		err := rollout.Preflight(t.Context(), docker, model, rollout.State{}, &plan, true)
		if said := strings.Contains(strings.Join(plan.Notes, " "), "noProxy does not have convex:"); err != nil || said != want {
			t.Errorf("without %q: notes %q, error %v", without, plan.Notes, err)
		}
		_ = docker.Close()
	}
}

// TestABusyHostIsNoReasonToRefuse: what cannot be known in time stands in the notes.
func TestABusyHostIsNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	slow := filepath.Join(t.TempDir(), "docker")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	plan, model := h.plan("1.0.0", rollout.Scope{})
	err := rollout.Preflight(t.Context(), h.Connect(t, engine.Options{Docker: slow}), model, rollout.State{}, &plan, true)
	if err != nil || !strings.Contains(strings.Join(plan.Notes, " "), "compose plugin has not told") {
		t.Errorf("notes %q, error %v", plan.Notes, err)
	}
}

// TestPortsOfARootlessEngine: one that it may not have on this machine is named.
func TestPortsOfARootlessEngine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, rootless := range []bool{true, false} {
		h := newHostWith(t, func(h *host) {
			if rootless {
				h.Info.SecurityOptions = []string{"name=rootless"}
			}
		})
		plan, model := h.plan("1.0.0", rollout.Scope{})
		_ = rollout.Preflight(t.Context(), h.engine, model, rollout.State{}, &plan, true) // the ports may be another's here
		if said := strings.Contains(strings.Join(plan.Notes, " "), "ip_unprivileged_port_start="); said != (rootless && first > 1) {
			t.Errorf("rootless %v, ports from %d: notes %q", rootless, first, plan.Notes)
		}
	}
}

// TestAllThatStandsInTheWayIsSaidAtOnce and the gravest decides the exit code.
func TestAllThatStandsInTheWayIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	h := newHostWith(t, func(h *host) {
		h.Compose = ""
		h.AddVolume("p_db-data", map[string]string{"com.docker.compose.project": "other"})
		h.AddContainer(enginetest.Container{Name: "p-" + stack.Convex, Image: "r/tale-convex:1.0.0"})
	})
	err := h.unfit("1.0.0")
	if exit.Code(err) != exit.Config || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
}
