package convex

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestRunBootsAndStops(t *testing.T) {
	s := newService(t, "DB_PASSWORD", "canary-password", "RUST_LOG", "", "APPLICATION_MAX_CONCURRENT_QUERIES", "16").start()
	s.untilReady()
	if !s.Says("APPLICATION_MAX_CONCURRENT_QUERIES=16") {
		t.Error("a changed limit is not named in the log")
	}
	backend := s.child("--instance-secret")
	environ := procFile(t, backend, "environ")
	if !slices.Contains(environ, "TMPDIR="+s.path("data/convex/tmp")) || !slices.ContainsFunc(environ, func(e string) bool { return strings.HasPrefix(e, "RUST_LOG=info,common") }) {
		t.Errorf("environment %q", environ)
	}
	for _, secret := range []string{secretA.Reveal(), "canary-password"} {
		if slices.ContainsFunc(environ, func(e string) bool { return strings.Contains(e, secret) }) {
			t.Errorf("%s is in the backend's environment", secret)
		}
	}
	if code := s.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !s.Says("Received Ctrl-C signal!") {
		t.Error("the backend was not stopped with SIGINT")
	}
	for _, text := range []string{secretA.Reveal(), "canary-password"} {
		if s.Says(text) {
			t.Errorf("%s is in the log", text)
		}
	}
	if err := syscall.Kill(backend, 0); err == nil {
		t.Error("the backend is still there")
	}
	for _, marker := range []string{"convex-ready", "convex-shutting-down"} {
		if _, err := os.Stat(s.path("run", marker)); err == nil {
			t.Errorf("%s is still there", marker)
		}
	}
	if got := testkit.ReadFile(t, s.path("data/convex/backend.log")); !strings.Contains(got, "listening") {
		t.Errorf("backend.log holds %q", got)
	}
}

func TestRunPassesPostgresByTheCommandLine(t *testing.T) {
	server := postgrestest.Start(t, nil)
	host, port, _ := strings.Cut(server.Addr(), ":")
	s := newService(t, "CONVEX_STORAGE", "", "DB_HOST", host, "DB_PORT", port, "DB_PASSWORD", "p@ss word").start()
	s.untilReady()
	cmdline := procFile(t, s.child("--instance-secret"), "cmdline")
	want := []string{"-d", "postgres-v5", "postgresql://tale:p%40ss%20word@" + host + ":" + port, "--do-not-require-ssl"}
	if i := slices.Index(cmdline, "-d"); i < 0 || !slices.Equal(cmdline[i:i+4], want) {
		t.Errorf("command line %q", cmdline)
	}
	s.Stop(5 * time.Second)
	for _, text := range []string{"p@ss word", "p%40ss%20word"} {
		if s.Says(text) {
			t.Errorf("the log shows %s", text)
		}
	}
}

// The marker follows the backend: gone at once, back with the next one.
func TestRunRestartsAKilledBackend(t *testing.T) {
	s := newService(t).start()
	s.untilReady()
	killed := s.child("--instance-secret")
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.Until("the marker is gone", func() bool { return !s.ready() })
	s.untilReady()
	if now := s.child("--instance-secret"); now == killed {
		t.Error("it is ready without a new backend")
	}
	if got := testkit.ReadFile(t, s.path("data/convex/crash.log")); !strings.Contains(got, "killed by SIGKILL") || !strings.Contains(got, "listening") {
		t.Errorf("crash.log holds %q", got)
	}
}

func TestRunIsNotReadyWithoutItsData(t *testing.T) {
	s := newService(t).start()
	s.untilReady()
	if err := os.RemoveAll(s.path("data/convex")); err != nil {
		t.Fatal(err)
	}
	s.Until("the marker is gone", func() bool { return !s.ready() })
	s.Expect("convex was deleted while the backend runs")
	s.Stop(5 * time.Second)
	if strings.Count(s.Output.String(), "the backend's data is gone") != 1 {
		t.Error("it is not said, or again and again")
	}
}

func TestRunEndsWithTheBackendsCode(t *testing.T) {
	tests := map[string]struct {
		script string
		budget string
		code   int
		starts int
		cause  string
	}{
		"own code":        {"exit 3", "2", 3, 3, "not known"},
		"signal":          {"kill -SEGV $$", "0", 139, 1, "native code"},
		"zero":            {"echo 'T ERROR common::errors: Caught operational error: Lease Lost'; echo 'T INFO convex_local_backend: Received a fatal error. Shutting down immediately'; exit 0", "1", exit.UnrequestedEnd, 2, "lease was lost"},
		"panic":           {"echo \"thread 'main' panicked at x.rs:1:1:\" >&2; echo boom >&2; exit 101", "0", 101, 1, "x.rs:1:1: boom"},
		"no Sentry":       {"echo 2026-08-22T10:00:00.123456Z ERROR common::errors: Not reporting above error: Sentry is not configured; exit 5", "0", 5, 1, "its last line: started"},
		"secret in a log": {"echo \"$*\"; exit 4", "0", 4, 1, "[INSTANCE_SECRET]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newService(t, "CONVEX_RESTART_BUDGET", tt.budget, "CONVEX_BACKEND_COMMAND", "sh -c '"+strings.ReplaceAll("echo started; "+tt.script, "'", `'\''`)+"' backend").start()
			if code := s.WaitWithin(15 * time.Second); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if starts := strings.Count(s.Output.String(), "backend | started"); starts != tt.starts {
				t.Errorf("%d starts, want %d", starts, tt.starts)
			}
			crashes := testkit.ReadFile(t, s.path("data/convex/crash.log"))
			if !strings.Contains(crashes, tt.cause) || strings.Count(crashes, "backend ended") != tt.starts {
				t.Errorf("crash.log holds\n%s", crashes)
			}
			if strings.Contains(crashes, secretA.Reveal()) || s.Says(secretA.Reveal()) {
				t.Error("the secret is shown")
			}
			if s.ready() {
				t.Error("the ready marker is still there")
			}
		})
	}
}

func TestRunGivesUpOnABackendThatDoesNotAnswer(t *testing.T) {
	s := newService(t, "CONVEX_WAIT_TIMEOUT", "1", "CONVEX_BACKEND_COMMAND", "sh -c 'echo attempting to acquire lease; trap : INT; exec sleep 60' backend").start()
	if code := s.WaitWithin(15 * time.Second); code != exit.Unavailable {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"did not answer at http://127.0.0.1:", "within 1s", "connection refused", "waits for the lease", "CONVEX_WAIT_TIMEOUT"} {
		if !s.Says(want) {
			t.Errorf("%q is not said", want)
		}
	}
}

// A backend that lingers is reminded, then killed.
func TestRunStopsABackendThatIgnoresSignals(t *testing.T) {
	s := newService(t, "SHUTDOWN_TIMEOUT_SECONDS", "1s", "SHUTDOWN_GRACE_SECONDS", "1s",
		"CONVEX_BACKEND_COMMAND", `sh -c 'trap "echo got INT" INT; trap "" TERM; echo up; while :; do sleep 0.05; done' backend`).start()
	s.Until("the backend is up", func() bool { return s.Says("backend | up") })
	s.Signal(syscall.SIGTERM)
	s.Until("it says that it is going", func() bool {
		_, err := os.Stat(s.path("run", "convex-shutting-down"))
		return err == nil
	})
	if code := s.WaitWithin(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := strings.Count(s.Output.String(), "got INT"); got != 2 {
		t.Errorf("it got SIGINT %d times", got)
	}
}

func TestRunIsStoppedWhileItWaitsForPostgres(t *testing.T) {
	s := newService(t, "CONVEX_STORAGE", "postgres", "DB_HOST", "127.0.0.1", "DB_PORT", testkit.FreePort(t), "DB_PASSWORD", "x").start()
	s.Until("it waits", func() bool { return s.Says("waiting for Postgres") })
	if code := s.Stop(2 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestRunRefusesAChangedSecret(t *testing.T) {
	s := newService(t).start()
	s.untilReady()
	s.Stop(5 * time.Second)
	refused := s.again("INSTANCE_SECRET", secretB.Reveal())
	if code := refused.WaitWithin(10 * time.Second); code != exit.Config || !refused.Says("CONVEX_ALLOW_CHANGED_SECRET=true") {
		t.Errorf("exit code %d", code)
	}
	allowed := s.again("INSTANCE_SECRET", secretB.Reveal(), "CONVEX_ALLOW_CHANGED_SECRET", "true")
	allowed.untilReady()
	allowed.Stop(5 * time.Second)
	// The new one is what the volume remembers now.
	again := s.again("INSTANCE_SECRET", secretB.Reveal())
	again.untilReady()
	again.Stop(5 * time.Second)
}

// A downgrade that only the running backend's version shows.
func TestRunStopsAnOlderBackend(t *testing.T) {
	backend := "env CONVEX_RELEASE_VERSION_DEV=%s " + testkit.RoleVariable + "=backend " + os.Args[0]
	s := newService(t, "CONVEX_BACKEND_COMMAND", strings.Replace(backend, "%s", "2.0.0", 1)).start()
	s.untilReady()
	s.Stop(5 * time.Second)
	older := s.again("CONVEX_BACKEND_COMMAND", strings.Replace(backend, "%s", "1.0.0", 1))
	if code := older.WaitWithin(10 * time.Second); code != exit.Config || !older.Says("version 2.0.0 has used this volume") {
		t.Errorf("exit code %d", code)
	}
}

// The backend only warns of a database that a newer one has migrated, and after it has
// opened its ports.
func TestRunStopsBesideANewerDatabase(t *testing.T) {
	s := newService(t)
	s.environ["CONVEX_BACKEND_COMMAND"] += " --database-version 128"
	s.start()
	if code := s.WaitWithin(30 * time.Second); code != exit.Config {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"version 128, and this backend knows versions up to 124", "a newer backend has migrated it", "CONVEX_ALLOW_DOWNGRADE=true"} {
		if !s.Says(want) {
			t.Errorf("%q is not said", want)
		}
	}
	if s.Says("convex is ready") || s.ready() {
		t.Error("it was ready")
	}
	if _, err := os.Stat(s.path("data/convex/crash.log")); err == nil {
		t.Error("that is a crash")
	}
	allowed := s.again("CONVEX_ALLOW_DOWNGRADE", "true")
	allowed.untilReady()
	if !allowed.Says("allowed by CONVEX_ALLOW_DOWNGRADE") {
		t.Error("the override is not said")
	}
	allowed.Stop(5 * time.Second)
}

// A migration takes as long as it takes while it gets on, and readiness waits for it.
func TestRunWaitsForMigrations(t *testing.T) {
	s := newService(t, "CONVEX_WAIT_TIMEOUT", "10")
	s.environ["CONVEX_BACKEND_COMMAND"] += " --database-version 120 --fault stage=migration,delay=3s"
	s.start()
	s.Expect("Migrating to 124")
	if s.ready() {
		t.Error("it is ready in the middle of it")
	}
	s.untilReady()
	for _, want := range []string{"the backend migrates its database version=121 of=124", "version=124 of=124"} {
		if !s.Says(want) {
			t.Errorf("%q is not said", want)
		}
	}
	s.Stop(5 * time.Second)
}

func TestRunGivesUpOnAMigrationThatDoesNotGetOn(t *testing.T) {
	s := newService(t, "CONVEX_WAIT_TIMEOUT", "6")
	s.environ["CONVEX_BACKEND_COMMAND"] += " --database-version 123 --fault stage=migration,hang"
	s.start()
	if code := s.WaitWithin(30 * time.Second); code != exit.Unavailable || !s.Says("the backend migrates its database to version 124") {
		t.Errorf("exit code %d", code)
	}
}

// An executor that has lost a module gets another backend, once: where that does not
// help, more of it would only cost the budget.
func TestRunReplacesABackendThatHasLostAModule(t *testing.T) {
	s := newService(t)
	testkit.WriteTree(t, s.dir, map[string]string{"backend.sh": "#!/bin/sh\necho begun\n" +
		`for i in 1 2; do echo "Error: Cannot find module '/app/data/convex/tmp/.tmpQ3yYlm/source/4b1f/modules/email.js' imported from /x/local.cjs"; done; exec "$@"`})
	s.environ["CONVEX_BACKEND_COMMAND"] = "sh " + s.path("backend.sh") + " " + s.environ["CONVEX_BACKEND_COMMAND"]
	s.start()
	s.Until("the second process has lost it, too", func() bool { return s.Says("a restart did not give the backend its module back") })
	s.untilReady()
	for text, want := range map[string]int{
		"does not find the module email.js any more": 1, "backend | begun": 2, "a restart did not give": 1, "restarts_left=9": 1, "crashed": 0,
	} {
		if got := strings.Count(s.Output.String(), text); got != want {
			t.Errorf("%q is said %d times, want %d", text, got, want)
		}
	}
	s.Stop(5 * time.Second)
}

func TestRunListsEveryProblem(t *testing.T) {
	s := newService(t, "SITE_URL", "", "INSTANCE_SECRET", "canary-secret", "CONVEX_STORAGE", "", "CA_WAIT_TIMEOUT", "soon").start()
	if code := s.WaitWithin(10 * time.Second); code != exit.Config {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"SITE_URL is not set", "INSTANCE_SECRET has 13 characters", "POSTGRES_URL is not set, and neither is DB_PASSWORD", "CA_WAIT_TIMEOUT"} {
		if !s.Says(want) {
			t.Errorf("%q is not said", want)
		}
	}
	if s.Says("canary") {
		t.Error("the secret is shown")
	}
}

func TestRunFailsFastOnATakenPort(t *testing.T) {
	server := postgrestest.Start(t, nil) // anything that listens
	_, port, _ := strings.Cut(server.Addr(), ":")
	s := newService(t, "CONVEX_SITE_PROXY_PORT", port).start()
	if code := s.WaitWithin(10 * time.Second); code != exit.Config || !s.Says(port+"/tcp (CONVEX_SITE_PROXY_PORT): another process already does") || !s.Says("fix      stop that process") {
		t.Errorf("exit code %d", code)
	}
}

// The backend starts without the root, and again once when it has appeared.
func TestRunLearnsALateRoot(t *testing.T) {
	_, root := testkit.Certificate(t)
	s := newService(t, "TLS_MODE", "selfsigned", "HOST", "127.0.0.1")
	s.environ["CADDY_CA_CERT_PATH"] = s.path("caddy", "root.crt")
	s.start()
	s.untilReady()
	first := s.child("--instance-secret")
	bundle := s.path("run", "convex-ca-certificates.crt")
	testkit.WriteTree(t, s.path("caddy"), map[string]string{"root.crt": testkit.ReadFile(t, root)})
	s.Until("the backend is another", func() bool {
		now := s.children("--instance-secret")
		return len(now) == 1 && now[0] != first && s.ready()
	})
	if !strings.Contains(testkit.ReadFile(t, bundle), testkit.ReadFile(t, root)) {
		t.Error("the root is not in the bundle")
	}
	environ := procFile(t, s.child("--instance-secret"), "environ")
	for _, want := range []string{"SSL_CERT_FILE=" + bundle, "NODE_EXTRA_CA_CERTS=" + bundle} {
		if !slices.Contains(environ, want) {
			t.Errorf("%s is not in the backend's environment", want)
		}
	}
	if _, err := os.Stat(s.path("data/convex/crash.log")); err == nil {
		t.Error("the planned restart counts as a crash")
	}
	if code := s.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
