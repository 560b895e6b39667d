package main

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// contender is one way to bring a backend up to date.
type contender struct {
	name  string
	steps []step
}

// step is something that a contender does, in one process or several.
type step struct {
	name      string
	processes func(*simulator) []process
}

func (b *bench) contenders(request, large string) []contender {
	return []contender{
		{"classic", []step{
			{"cold", func(s *simulator) []process {
				return append(b.setEach(s), b.cli(s, "deploy", "-y", "--typecheck", "disable", "--codegen", "disable"))
			}},
			{"warm", func(s *simulator) []process {
				return []process{b.cli(s, "env", "list"), b.cli(s, "deploy", "-y", "--typecheck", "disable", "--codegen", "disable")}
			}},
		}},
		{"CLI driver", []step{{"cold", b.entrypoint("cli", "")}, {"warm", b.entrypoint("cli", "")}}},
		{"native driver", []step{
			{"cold", b.entrypoint("native", request)},
			{"warm", b.entrypoint("native", request)},
			{"forced", b.entrypoint("native", request, "CONVEX_FORCE_PUSH=true")},
		}},
		b.large("35 MB, compressed at boot", large, false),
		b.large("35 MB, compressed at build", large, true),
	}
}

func (b *bench) large(name, folder string, pieces bool) contender {
	first, second := largeRequest(folder, pieces, 0), largeRequest(folder, pieces, 1)
	return contender{name, []step{
		{"cold", b.entrypoint("native", first)},
		{"warm", b.entrypoint("native", first)},
		{"upgrade", b.entrypoint("native", second)},
		{"forced", b.entrypoint("native", second, "CONVEX_FORCE_PUSH=true")},
	}}
}

// variables returns the 24 that platform-entrypoint pushes, all of them set.
func variables() map[string]string {
	return map[string]string{
		"BETTER_AUTH_SECRET": "bench-better-auth-secret=", "ENCRYPTION_SECRET_HEX": strings.Repeat("0123456789abcdef", 4),
		"AUTH_MICROSOFT_ENTRA_ID_SECRET": "bench-entra-secret", "TRUSTED_HEADERS_INTERNAL_SECRET": "bench-headers-secret",
		"SOPS_AGE_KEY": "bench-age-key", "POSTGRES_URL": "postgresql://tale:bench@127.0.0.1:5432", "RAG_DATABASE_URL": "postgresql://tale:bench@127.0.0.1:5432/rag",
		"SITE_URL": "https://bench.example", "CRAWLER_URL": "http://127.0.0.1:8002", "RAG_URL": "http://127.0.0.1:8001", "SEARCH_SERVICE_URL": "http://127.0.0.1:8080",
		"OPERATOR_URL": "http://127.0.0.1:4000", "AUTH_MICROSOFT_ENTRA_ID_ISSUER": "https://login.example/v2.0", "BASE_PATH": "/app", "TALE_CONFIG_DIR": "/app/data",
		"SOPS_AGE_KEY_FILE": "/app/data/age.key", "AUTH_MICROSOFT_ENTRA_ID_ID": "bench-id", "AUTH_MICROSOFT_ENTRA_ID_TENANT_ID": "bench-tenant",
		"TRUSTED_HEADERS_ENABLED": "true", "TRUSTED_EMAIL_HEADER": "Remote-Email", "TRUSTED_NAME_HEADER": "Remote-Name", "TRUSTED_ROLE_HEADER": "Remote-Role",
		"TRUSTED_TEAMS_HEADER": "Remote-Teams", "DEBUG_MODE": "false",
	}
}

// setEach starts the CLI once per variable, as the shell script did.
func (b *bench) setEach(s *simulator) []process {
	var all []process
	values := variables()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, b.cli(s, "env", "set", name, values[name]))
	}
	return all
}

// cli returns one start of the app's convex CLI, by the runtime that the CLI driver
// would choose.
func (b *bench) cli(s *simulator, args ...string) process {
	argv := append([]string{filepath.Join(b.app, "node_modules", ".bin", "convex")}, args...)
	for _, runtime := range []string{filepath.Join(b.app, "node_modules", ".bin", "bun"), "bun", "node"} {
		if path, err := exec.LookPath(runtime); err == nil {
			argv = append([]string{path}, argv...)
			break
		}
	}
	return process{argv: argv, dir: b.app, env: append(b.environ(), "CONVEX_SELF_HOSTED_URL="+s.url, "CONVEX_SELF_HOSTED_ADMIN_KEY="+s.adminKey)}
}

// entrypoint returns `platform-entrypoint push`: wait, variables, functions.
func (b *bench) entrypoint(driver, request string, more ...string) func(*simulator) []process {
	return func(s *simulator) []process {
		env := append(b.environ(), more...)
		for name, value := range variables() {
			env = append(env, name+"="+value)
		}
		env = append(env,
			"CONVEX_URL="+s.url, "INSTANCE_NAME="+s.instance, "INSTANCE_SECRET="+s.secret, "CONVEX_APP_DIR="+b.app,
			"CONVEX_DEPLOY_DRIVER="+driver, "CONVEX_PUSH_REQUEST="+request, "TALE_RUN_DIR="+s.folder, "TALE_RUN_AS=0:0", "STATUS_ADDR=", fmt.Sprintf("DB_PASSWORD=%s", "bench"))
		return []process{{argv: []string{filepath.Join(b.bin, "platform-entrypoint"), "push"}, dir: b.work, env: env}}
	}
}
