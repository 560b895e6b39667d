package compose_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

func hashes(t *testing.T, o compose.Options) map[string]string {
	t.Helper()
	model, all := production(t, o), map[string]string{}
	for _, colour := range []string{"", stack.Blue, stack.Green} {
		for _, service := range model.Services(colour) {
			if known := all[service.Name]; known != "" && known != service.Hash {
				t.Errorf("%s: the colours differ", service.Name)
			}
			all[service.Name] = service.Hash
		}
	}
	return all
}

// changed returns the services whose hash is another one, in the order of the stack.
func changed(before, after map[string]string) string {
	var names []string
	for _, service := range stack.Services() {
		if before[service.Name] != after[service.Name] {
			names = append(names, service.Name)
		}
	}
	return strings.Join(names, " ")
}

// TestHashChangesWithWhatTheContainerIsMadeOf: with each setting and each key of an
// override, for those services alone that get it.
func TestHashChangesWithWhatTheContainerIsMadeOf(t *testing.T) {
	env := func(name, text string) func(*compose.Options) {
		return func(o *compose.Options) { o.Settings[name] = project.Value{Text: text, From: project.FromFile} }
	}
	override := func(text string) func(*compose.Options) {
		return func(o *compose.Options) { write(t, o.Project.Dir+"/compose.override.yml", text) }
	}
	type tests []struct {
		change func(*compose.Options)
		want   string
	}
	all := tests{
		{env("MY_OWN", "1"), "convex platform rag crawler"},
		{env("MY_OWN", ""), "convex platform rag crawler"},
		{env("DB_USER", "other"), "db convex platform rag crawler"},
		{env("MAX_BODY", "5MB"), "convex platform proxy rag crawler"},
		{env("PUBLISH_HTTP", "8080"), "convex platform proxy rag crawler"},
		{env("HOST", "other.example"), "convex platform proxy rag crawler"},
		{func(o *compose.Options) { o.Host = "other.example" }, "convex platform proxy"},
		{func(o *compose.Options) { o.Foreign = map[string]bool{stack.RAG: true} }, "rag"},
		{override("volumes: {convex-data: !override {name: elsewhere, external: true}}"), "convex platform rag crawler"},
		{override("networks: {internal: {name: elsewhere}}"), "db convex platform proxy rag crawler"},
		{override("services: {rag: {configs: [c]}}\nconfigs: {c: {content: x}}"), "rag"},
		{override("services: {rag: {secrets: [c]}}\nsecrets: {c: {file: x}}"), "rag"},
	}
	keys := []string{
		"environment: {A: b}", "command: [x]", "entrypoint: [x]", "user: '7'", "read_only: true", "cap_add: [NET_ADMIN]", "cap_drop: [CHOWN]",
		"tmpfs: [/x]", "volumes: [/x]", "volumes: ['/a:/b']", "ports: ['7']", "expose: ['7']", "labels: {a: b}", "logging: {options: {max-size: 1m}}", "restart: always",
		"stop_grace_period: 7s", "stop_signal: SIGQUIT", "shm_size: 7m", "sysctls: {a.b: 1}", "extra_hosts: ['a:1.2.3.4']", "dns: 1.2.3.4", "hostname: x",
		"networks: {internal: {aliases: [x]}}", "healthcheck: {disable: true}", "mem_limit: 1g", "cpus: 1", "deploy: {resources: {limits: {memory: 1g}}}",
		"security_opt: [a=b]", "init: true", "privileged: true", "ulimits: {nofile: 7}", "devices: ['/dev/null']", "group_add: ['7']", "pids_limit: 7", "working_dir: /x",
		"tty: true", "ipc: host", "pid: host", "platform: linux/arm64", "runtime: x", "oom_score_adj: 7", "gpus: all",
	}
	for i := range len(keys) / 2 { // one for each of two services that are alike
		all = append(all, tests{{override("services: {rag: {" + keys[2*i] + "}, crawler: {" + keys[2*i+1] + "}}"), "rag crawler"}}...)
	}
	before := hashes(t, options(t, nil, ""))
	for i, tt := range all {
		o := options(t, nil, "")
		tt.change(&o)
		if got := changed(before, hashes(t, o)); got != tt.want {
			t.Errorf("change %d: %q differ, want %q", i, got, tt.want)
		}
	}
}

// TestHashStays: what a release brings is not in it, nor what leaves the container as it
// is; and it is the same in every process.
func TestHashStays(t *testing.T) {
	before := hashes(t, options(t, map[string]string{"A": "1", "B": "2", "C": "3"}, ""))
	for name, change := range map[string]func(*compose.Options){
		"again":       func(*compose.Options) {},
		"images":      func(o *compose.Options) { o.Images[stack.RAG], o.Images[stack.DB] = "other:9", "sha256:1234" },
		"versions":    func(o *compose.Options) { o.Versions[stack.RAG], o.Versions[stack.Convex] = "9", "" },
		"fresh":       func(o *compose.Options) { o.Fresh = true },
		"host as set": func(o *compose.Options) { o.Host = "tale.local"; delete(o.Settings, "HOST") },
		"fewer": func(o *compose.Options) {
			o.Project.File.Services = []string{"db", "convex", "platform", "proxy", "rag"}
		},
		"version file": func(o *compose.Options) { o.Settings[stack.Version] = project.Value{Text: "7", From: project.FromFile} },
		"the same said again": func(o *compose.Options) {
			write(t, o.Project.Dir+"/compose.override.yml", "x-mine: 1\nservices: {rag: {image: mine, pull_policy: always, restart: unless-stopped, depends_on: !reset {}}}\nvolumes: {other: {}}")
		},
	} {
		o := options(t, map[string]string{"C": "3", "A": "1", "B": "2"}, "")
		change(&o)
		after := hashes(t, o)
		for service, hash := range after {
			if hash != before[service] || !strings.HasPrefix(hash, "1:") || len(hash) != 66 {
				t.Errorf("%s: the hash of %s is %s", name, service, hash)
			}
		}
	}
}
