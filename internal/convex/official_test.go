package convex

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// copyOfficial does what docs/from-official.md says, with folders for volumes.
func copyOfficial(t *testing.T, from, to string) (said string) {
	t.Helper()
	page := testkit.ReadFile(t, "../../docs/from-official.md")
	script := regexp.MustCompile(`(?s)<<'EOF'\n(.*?)\n *EOF\n`).FindStringSubmatch(page)
	if script == nil {
		t.Fatal("the page has no script")
	}
	command := exec.Command("sh", "-eu", "-c", strings.NewReplacer("/from", from, "/to", to).Replace(script[1]))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// officialStack runs a backend as official self-hosting does and leaves its volume,
// with a variable and an uploaded file in it.
func officialStack(t *testing.T) (volume, key string) {
	t.Helper()
	volume = t.TempDir()
	s := simtest.Start(t, convexsim.Options{InstanceName: "convex-self-hosted", InstanceSecret: secretB.Reveal(), Storage: filepath.Join(volume, "storage")})
	call(t, s.URL(), s.AdminKey(), "/api/update_environment_variables", `{"changes":[{"name":"KEPT","value":"canary"}]}`)
	simtest.Stop(t, s)
	testkit.WriteTree(t, volume, map[string]string{
		"db.sqlite3": "documents", "storage/modules/abc.blob": "code", "tmp/x": "",
		"credentials/instance_secret": secretB.Reveal() + "\n", "credentials/instance_name": "convex-self-hosted\n",
	})
	return volume, s.AdminKey()
}

func call(t *testing.T, url, key, path, body string) string {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Convex "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var text strings.Builder
	if err := response.Write(&text); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %s", path, err, text.String())
	}
	return text.String()
}

// TestComingFromOfficialSelfHosting is the way of docs/from-official.md with real
// processes: an admin key, a variable and the documents of the old stack are there in the new one.
func TestComingFromOfficialSelfHosting(t *testing.T) {
	volume, key := officialStack(t)
	s := newService(t, "INSTANCE_NAME", "convex-self-hosted", "INSTANCE_SECRET", secretB.Reveal())
	said := copyOfficial(t, volume, s.path("data"))
	if said != "INSTANCE_SECRET="+secretB.Reveal()+"\nINSTANCE_NAME=convex-self-hosted\n" {
		t.Errorf("the script prints %q", said)
	}
	s.start()
	s.untilReady()
	got := call(t, "http://127.0.0.1:"+s.environ["CONVEX_BACKEND_PORT"], key, "/api/list_environment_variables", "")
	if !strings.Contains(got, "canary") {
		t.Errorf("the variable is lost: %s", got)
	}
	for path, want := range map[string]string{"convex/modules/abc.blob": "code", "convex/convex_local_backend.sqlite3": "documents"} {
		if got := testkit.ReadFile(t, s.path("data", path)); got != want {
			t.Errorf("%s holds %q", path, got)
		}
	}
	if code := s.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if old := testkit.ReadFile(t, filepath.Join(volume, "db.sqlite3")); old != "documents" {
		t.Errorf("the old volume was changed: %q", old)
	}
}

// TestAnOfficialVolumeIsNotStartedBeside has the mistakes on that way, each of which
// ends the first start.
func TestAnOfficialVolumeIsNotStartedBeside(t *testing.T) {
	volume, _ := officialStack(t)
	for name, mistake := range map[string]struct {
		changes []string
		copied  bool
		said    string
	}{
		"as it is":   {nil, false, "has the layout of official self-hosting"},
		"new secret": {[]string{"INSTANCE_SECRET", secretA.Reveal()}, true, "INSTANCE_SECRET is not the one in"},
		"our name":   {[]string{"INSTANCE_NAME", "tale_platform"}, true, "says convex-self-hosted"},
		"Postgres":   {[]string{"CONVEX_STORAGE", "postgres", "DB_PASSWORD", "x"}, true, "a deployment on sqlite"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, append([]string{"INSTANCE_NAME", "convex-self-hosted", "INSTANCE_SECRET", secretB.Reveal()}, mistake.changes...)...)
			if mistake.copied {
				copyOfficial(t, volume, s.path("data"))
			} else if err := os.CopyFS(s.path("data"), os.DirFS(volume)); err != nil {
				t.Fatal(err)
			}
			if code := s.start().Wait(); code != exit.Config || !s.Says(mistake.said) {
				t.Errorf("exit code %d", code)
			}
			if s.Says(secretB.Reveal()) {
				t.Error("the secret is in the log")
			}
		})
	}
}

func TestDatabaseURLIsWarnedOf(t *testing.T) {
	s := newService(t, "DATABASE_URL", "postgresql://u:canary-password@db").start()
	s.untilReady()
	if !s.Says("DATABASE_URL is set and not read") || s.Says("canary-password") {
		t.Error("there is no warning, or the secret is in it")
	}
	if code := s.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
