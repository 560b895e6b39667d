package release_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// withKeys returns the environment of a build of the tree in a folder that has the keys.
func withKeys(t *testing.T, tree string, k keys) []string {
	t.Helper()
	tree, err := filepath.Abs(tree)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(tree, "internal/tale/selfupdate/keys.txt"): filepath.Join(dir, "keys.txt"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	testkit.WriteTree(t, dir, map[string]string{"keys.txt": k.text(), "overlay.json": string(overlay)})
	secret, err := k.secret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "GOFLAGS=-overlay="+filepath.Join(dir, "overlay.json"), "MINISIGN_SECRET_KEY="+string(secret), "GITHUB_REPOSITORY="+selfupdate.Repository)
}

// makes runs make, and returns its exit code and what it says.
func makes(t *testing.T, tree string, environ []string, args ...string) (code int, says string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "make", append([]string{"-C", tree}, args...)...)
	command.Env = environ
	out, _ := command.CombinedOutput() // the code says it
	return command.ProcessState.ExitCode(), string(out)
}

// calls runs a program, and fails the test if it ends otherwise or does not say that.
func calls(t *testing.T, code int, says string, environ []string, user *syscall.Credential, argv ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	command.Env, command.SysProcAttr = environ, &syscall.SysProcAttr{Credential: user}
	if out, err := command.CombinedOutput(); command.ProcessState == nil || command.ProcessState.ExitCode() != code || !strings.Contains(string(out), says) {
		t.Errorf("%v: %v; want %d, %s\n%s", argv, err, code, says, out)
	}
}

// The whole way of two releases: built, signed, served, installed, upgraded, taken back.
func TestDryRun(t *testing.T) {
	testkit.RequireRoot(t)
	k := newKeys(t)
	environ := withKeys(t, root, k)
	h := newHost(t)
	dir := t.TempDir()
	for _, args := range [][]string{
		{"VERSION=1.0.0"},
		{"VERSION=1.1.0", "PLATFORMS=" + strings.TrimPrefix(ours, "tale_")}, // the others are not run
	} {
		if code, says := makes(t, root, environ, append(args, "release", "DIST="+dir)...); code != 0 {
			t.Fatalf("exit %d: %s", code, says)
		}
		h.add(strings.TrimPrefix(args[0], "VERSION="), dir)
	}
	i := &installer{t: t, host: h, keys: k, into: testkit.PublicDir(t), bin: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	i.text = testkit.ReadFile(t, root+"/scripts/install-cli.sh")
	if code, says := i.run("bash", nil, "v1.0.0"); code != 0 {
		t.Fatalf("exit %d: %s", code, says)
	}
	tale := filepath.Join(i.into, "tale")
	alone := []string{"TALE_RELEASES_URL=" + h.URL, "HOME=" + i.into, "PATH=" + i.bin}
	stranger := &syscall.Credential{Uid: 65534, Gid: 65534}
	for _, step := range []struct {
		code int
		says string
		user *syscall.Credential
		argv []string
	}{
		{0, "1.0.0\n", nil, []string{tale, "--version"}},
		{exit.Pending, "would be changed from 1.0.0 to 1.1.0", nil, []string{tale, "upgrade", "--dry-run"}},
		{exit.NoPermission, "sudo tale upgrade --version 1.1.0", stranger, []string{tale, "upgrade"}},
		{0, "is version 1.1.0, and was 1.0.0", nil, []string{tale, "update"}},
		{0, "1.1.0\n", nil, []string{tale, "--version"}},
		{0, "1.0.0\n", nil, []string{tale + ".old", "--version"}},
		{0, "stays at 1.1.0", nil, []string{tale, "upgrade"}},
		{0, `"changes": true`, nil, []string{tale, "upgrade", "--json", "--version", "v1.0.0"}},
		{0, "1.0.0\n", nil, []string{tale, "-V"}},
		{exit.Unavailable, "there is no release 7.7.7", nil, []string{tale, "upgrade", "-v", "7.7.7"}},
		{0, "is version 1.0.0, and was 1.0.0", nil, []string{tale, "upgrade", "--version=1.0.0", "--force"}},
		{0, "is version 1.1.0", nil, []string{tale, "upgrade", "--file", saved(t, h, "1.1.0")}},
		{0, "1.1.0\n", nil, []string{tale, "--version"}},
		{exit.DeployRefused, "this machine needs", nil, []string{tale, "upgrade", "--file", strings.Replace(saved(t, h, "1.1.0"), ours, "release.json", 1)}},
	} {
		calls(t, step.code, step.says, alone, step.user, step.argv...)
	}
	i.interrupt(tale, alone)
}

// Ctrl-C in the middle of a download ends it, and leaves nothing.
func (i *installer) interrupt(tale string, environ []string) {
	t := i.t
	arriving := make(chan struct{})
	i.host.respond(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/"+ours) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(i.host.files["1.0.0/"+ours])))
		_, _ = w.Write([]byte("\x7fELF"))
		_ = http.NewResponseController(w).Flush()
		close(arriving)
		<-r.Context().Done()
		return true
	})
	defer i.host.respond(nil)
	command := exec.Command(tale, "upgrade", "--version", "1.0.0")
	command.Env = environ
	p := testkit.Start(t, command)
	<-arriving
	p.Signal(syscall.SIGINT)
	if code := p.Wait(); code != exit.Interrupted || !p.Says("interrupted: nothing was changed") {
		t.Errorf("exit %d: %s", code, p.Output.String())
	}
	if left, err := filepath.Glob(filepath.Join(i.into, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	calls(t, 0, "1.1.0\n", environ, nil, tale, "--version")
}

// saved downloads a release by hand, and returns its program for this machine.
func saved(t *testing.T, h *host, version string) string {
	dir := t.TempDir()
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, text := range h.files {
		if file, is := strings.CutPrefix(name, version+"/"); is {
			testkit.WriteTree(t, dir, map[string]string{file: string(text)})
		}
	}
	return filepath.Join(dir, ours)
}

// A program has the same bytes wherever, and from whatever checkout, it is built.
func TestProgramsAreReproducible(t *testing.T) {
	k := newKeys(t)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "*.go", "go.mod", "go.sum", "Makefile", "*.txt", "*.html", "*.json", "*.sql", "*.md", "*.yml", "*.example", "*.tmpl", "*.js", "*.css", "*.svg")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		testkit.WriteTree(t, elsewhere, map[string]string{name: testkit.ReadFile(t, filepath.Join(root, name))})
	}
	platform := strings.TrimPrefix(ours, "tale_")
	var sums []string
	for _, tree := range []string{root, elsewhere} {
		dist := t.TempDir()
		if code, says := makes(t, tree, withKeys(t, tree, k), "release-programs", "VERSION=1.0.0", "DIST="+dist, "PLATFORMS="+platform); code != 0 {
			t.Fatalf("exit %d: %s", code, says)
		}
		program := testkit.ReadFile(t, filepath.Join(dist, ours))
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256([]byte(program))))
		if strings.Contains(program, elsewhere) || len(program) > 22<<20 {
			t.Errorf("%d bytes, with paths in them: %v", len(program), strings.Contains(program, elsewhere))
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("built twice: %v", sums)
	}
}

// Without keys, with one, or with a stranger's secret key there is no release.
func TestNoReleaseWithoutKeys(t *testing.T) {
	k := newKeys(t)
	one, other := keys{k.secret, k.public[:1]}, keys{newKeys(t).secret, k.public}
	for name, tt := range map[string]struct {
		keys keys
		says string
	}{
		"none":          {keys{secret: k.secret}, "0 of the 2 keys of a release are built in"},
		"one":           {one, "1 of the 2 keys of a release are built in"},
		"another's":     {other, "belongs to none of the keys"},
		"twice the one": {keys{k.secret, slices.Concat(one.public, one.public)}, "is there twice"},
	} {
		dir := t.TempDir()
		for _, platform := range selfupdate.Platforms() {
			testkit.WriteTree(t, dir, map[string]string{platform.Name(): "program"})
		}
		code, says := makes(t, root, withKeys(t, root, tt.keys), "release", "VERSION=1.0.0", "DIST="+dir, "PLATFORMS=")
		if _, err := os.Stat(filepath.Join(dir, selfupdate.ManifestName)); code == 0 || err == nil || !strings.Contains(says, tt.says) {
			t.Errorf("%s: exit %d: %s", name, code, says)
		}
	}
}
