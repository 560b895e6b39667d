package tale_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What is wrong with the files keeps no other check from being made, nor the stack from
// being looked at from inside.
func TestDoctor(t *testing.T) {
	inside, code := `[{"name": "backend answers", "verdict": "ok", "detail": "yes"}]`, 0
	environ, folder, _ := inPlatform(t, "shop-1-platform-green", "shop-1-green", func(command []string, _ string) (string, string, int) {
		if command[0] == "platform-entrypoint" {
			return inside, "", code
		}
		return "", "", 127
	})
	verdicts := func(r line.Result) map[string]doctor.Verdict {
		t.Helper()
		var findings []doctor.Finding
		if err := json.Unmarshal([]byte(r.Out), &findings); err != nil {
			t.Fatalf("%v: %+v", err, r)
		}
		verdicts := map[string]doctor.Verdict{}
		for _, f := range findings {
			verdicts[f.Name] = f.Verdict
		}
		return verdicts
	}
	r := line.Run(environ, "", "doctor", "--json", "--project", folder)
	got := verdicts(r)
	for name, want := range map[string]doctor.Verdict{"engine": doctor.OK, ".env": doctor.Fail, "volumes": doctor.Skip, "stack: backend answers": doctor.OK} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if r.Code != exit.Failure {
		t.Errorf("exit %d", r.Code)
	}
	inside, code = `[{"name": "backend answers", "verdict": "fail", "detail": "no"}]`, 1
	if got = verdicts(line.Run(environ, "", "doctor", "--json", "--project", folder)); got["stack: backend answers"] != doctor.Fail {
		t.Errorf("%v", got)
	}
	inside = `[{"name": "certificate", "verdict": "ok", "detail": "docker compose exec platform x", "fix": "docker compose up -d"}]`
	if said := line.Run(environ, "", "doctor", "--json", "--project", folder).Out; !strings.Contains(said, "docker exec shop-1-platform-green x") || !strings.Contains(said, `"tale deploy"`) {
		t.Errorf("not in words of tale: %s", said)
	}
	inside = "no JSON"
	if got = verdicts(line.Run(environ, "", "doctor", "--json", "--project", folder)); got["stack"] != doctor.Fail {
		t.Errorf("%v", got)
	}
}

func TestDoctorOnWhatIsNotDocker(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.Product = "Podman Engine"
	testkit.WriteTree(t, dir, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`})
	if said := line.Run(server.Environ(t), "", "doctor", "--project", dir).Out; !strings.Contains(said, "is Podman Engine 20.10.24, and tale needs Docker's own") {
		t.Error(said)
	}
}

// TestDoctorOnServices: one that stands still, and what convex says of its database, which no
// other service asks.
func TestDoctorOnServices(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	for _, service := range []string{"db", "convex"} {
		server.AddContainer(enginetest.Container{Name: "shop-1-" + service, Image: "x", Project: "shop-1", Service: service, Running: true})
	}
	server.Pause("shop-1-db")
	server.SetExec(func(container string, command []string, _ string) (string, string, int) {
		if command[0] != "convex-entrypoint" {
			return "", "", 127
		}
		return `[{"name": "database", "verdict": "fail", "detail": "it does not answer", "fix": "docker compose restart db"}]`, "", 1
	})
	testkit.WriteTree(t, dir, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`})
	out := line.Run(server.Environ(t), "", "doctor", "--project", dir).Out
	for _, want := range []string{"db is paused: frozen by docker pause: docker unpause shop-1-db", "fail  convex: database", "→ docker restart shop-1-db"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// TestDoctorOnWhatIsPaused: a deploy does not start it.
func TestDoctorOnWhatIsPaused(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.AddContainer(enginetest.Container{Name: "shop-1-convex", Image: "x", Project: "shop-1", Service: "convex", Running: true})
	server.Pause("shop-1-convex")
	testkit.WriteTree(t, dir, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`})
	out := line.Run(server.Environ(t), "", "doctor", "--project", dir).Out
	if !strings.Contains(out, "shop-1-convex is paused: docker unpause shop-1-convex") || strings.Contains(out, "no convex runs") {
		t.Error(out)
	}
}

// TestDoctorOnAnotherID: the stack that the folder has deployed still has the former one.
func TestDoctorOnAnotherID(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{"tale.json": `{"version": 1, "id": "shop-2"}`, ".tale/history.jsonl": `{"command": "tale deploy", "project": "shop-1", "result": "done", "images": {"db": {}}}`})
	line.Run(config.Environ{"DOCKER_HOST": "unix://" + dir + "/no.sock"}, "", "doctor", "--project", dir).Expect(t, exit.Unavailable, `the last release from this folder was of shop-1`, "")
}

// TestDoctorOnWhatIsOdd: what a deploy warns of is told here, too.
func TestDoctorOnWhatIsOdd(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	testkit.WriteTree(t, dir, map[string]string{"compose.override.yml": "services: {platform: {healthcheck: {test: [CMD, curl, 'http://localhost:3000/']}}}"})
	line.Run(config.Environ{"DOCKER_HOST": "unix://" + dir + "/no.sock"}, "", "doctor", "--project", dir).Expect(t, exit.Unavailable, "the health check of platform asks localhost", "")
}

// TestDoctorOnSecretsThatOthersRead, as after a copy of .env by hand.
func TestDoctorOnSecretsThatOthersRead(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	environ := config.Environ{"DOCKER_HOST": "unix://" + dir + "/no.sock"}
	const said = "other users of this machine may read its secrets (-rw-r--r--)"
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o644: true} {
		if err := os.Chmod(filepath.Join(dir, ".env"), mode); err != nil {
			t.Fatal(err)
		}
		if out := line.Run(environ, "", "doctor", "--project", dir).Out; strings.Contains(out, said) != want || strings.Contains(out, "chmod 600 "+dir) != want {
			t.Errorf("%s: %s", mode, out)
		}
	}
}

// TestDoctorOnImages names those that a deploy would pull.
func TestDoctorOnImages(t *testing.T) {
	environ, _, _ := inPlatform(t, "shop-1-platform-green", "shop-1-green", func([]string, string) (string, string, int) { return "", "", 127 })
	dir := t.TempDir()
	line.Run(nil, "", "init", dir, "--registry", "r.example").Expect(t, 0, "", "")
	appendTo(t, filepath.Join(dir, ".env"), "TALE_VERSION=7.7.7\n")
	out := line.Run(environ, "", "doctor", "--project", dir).Out
	if !strings.Contains(out, "0 of 6 are here, for amd64; a deploy pulls r.example/tale-convex:7.7.7, ") {
		t.Errorf("%s", out)
	}
}

// Without an engine the files are examined all the same, and it ends as any command without
// one.
func TestDoctorWithoutAnEngine(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	environ := config.Environ{"DOCKER_HOST": "unix://" + dir + "/no.sock"}
	for _, tt := range []struct {
		env  string
		want map[string]doctor.Verdict
	}{
		{"", map[string]doctor.Verdict{"engine": doctor.Fail, "disk": doctor.Skip, ".env": doctor.OK, "stack of the files": doctor.OK, "ports": doctor.Skip, "name localhost": doctor.OK}},
		{"PUBLISH_HTTPS=9443\n", map[string]doctor.Verdict{".env": doctor.OK, "stack of the files": doctor.Warn}},
		{"TLS_MODE=nope\n", map[string]doctor.Verdict{"engine": doctor.Fail, ".env": doctor.Fail, "stack of the files": doctor.Skip}},
	} {
		appendTo(t, filepath.Join(dir, ".env"), tt.env)
		r := line.Run(environ, "", "doctor", "--json", "--project", dir)
		var findings []doctor.Finding
		if err := json.Unmarshal([]byte(r.Out), &findings); err != nil || r.Code != exit.Unavailable || r.Err != "" {
			t.Fatalf("%v: %+v", err, r)
		}
		for _, f := range findings {
			if want := tt.want[f.Name]; want != "" && f.Verdict != want {
				t.Errorf("%+v, want %s", f, want)
			}
			delete(tt.want, f.Name)
		}
		if len(tt.want) > 0 {
			t.Errorf("there is no %v", tt.want)
		}
	}
}
