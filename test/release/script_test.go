package release_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate/publish"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// shells are those that people pipe the script into; Debian's sh is dash.
var shells = []string{"sh", "bash"}

// tools are the programs that the script may call, besides what downloads and verifies.
var tools = []string{"uname", "mktemp", "rm", "sed", "cp", "chmod", "mv", "mkdir", "dirname", "readlink", "sha256sum", "cat", "sh"}

// ours is the file for this machine.
var ours = selfupdate.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}.Name()

// installer is the script with a folder of programs, and a folder to install into.
type installer struct {
	t      *testing.T
	text   string
	bin    string
	into   string
	canary string // a program that is executed writes its version
	host   *host
	keys   keys
}

// newInstaller publishes programs that are scripts.
func newInstaller(t *testing.T, versions ...string) *installer {
	t.Helper()
	i := &installer{t: t, bin: testkit.PublicDir(t), into: testkit.PublicDir(t), canary: filepath.Join(testkit.PublicDir(t), "canary"), host: newHost(t), keys: newKeys(t)}
	if err := os.Chmod(filepath.Dir(i.canary), 0o777); err != nil { // the script runs as another user, too
		t.Fatal(err)
	}
	script := testkit.ReadFile(t, root+"/scripts/install-cli.sh")
	i.text = regexp.MustCompile(`(?m)^KEYS=.*$`).ReplaceAllString(script, `KEYS="`+strings.ReplaceAll(i.keys.text(), "\n", " ")+`"`)
	i.have(append(slices.Clone(tools), "curl")...)
	for _, version := range versions {
		i.publish(version, i.program(version))
	}
	return i
}

func (i *installer) program(version string) string {
	return fmt.Sprintf("#!/bin/sh\necho %s >>%s\necho %s\nexit 0\n%s", version, i.canary, version, strings.Repeat("padding\n", 1<<10))
}

func (i *installer) publish(version, program string) {
	i.t.Helper()
	dir := i.t.TempDir()
	for _, platform := range selfupdate.Platforms() {
		testkit.WriteTree(i.t, dir, map[string]string{platform.Name(): program})
	}
	if err := (publish.Release{Version: version, Secret: i.keys.secret, Keys: i.keys.public}).Pack(dir); err != nil {
		i.t.Fatal(err)
	}
	i.host.add(version, dir)
}

// have puts programs of this machine into PATH.
func (i *installer) have(names ...string) {
	i.t.Helper()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(i.bin, name))
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			i.t.Fatal(err)
		}
	}
}

// fake puts a program of the test into PATH, or nothing in its place.
func (i *installer) fake(name, script string) {
	i.t.Helper()
	path := filepath.Join(i.bin, name)
	_ = os.Remove(path)
	if script != "" {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			i.t.Fatal(err)
		}
	}
}

// run pipes the script into a shell, as in the documents.
func (i *installer) run(shell string, environ []string, args ...string) (code int, says string) {
	i.t.Helper()
	return i.as(nil, shell, environ, args...)
}

func (i *installer) as(user *syscall.Credential, shell string, environ []string, args ...string) (code int, says string) {
	i.t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		i.t.Fatal(err)
	}
	command := exec.CommandContext(i.t.Context(), path, append([]string{"-s", "--"}, args...)...)
	command.Env = append([]string{"PATH=" + i.bin, "TALE_RELEASES_URL=" + i.host.URL, "INSTALL_DIR=" + i.into, "HOME=" + i.into}, environ...)
	command.Stdin = strings.NewReader(i.text)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	out, err := command.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		i.t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(i.into, ".tale*"))
	if err != nil || len(left) > 0 {
		i.t.Errorf("left: %v, %v", left, err)
	}
	return command.ProcessState.ExitCode(), string(out)
}

// installed returns the program that is there, and forgets it and what has run.
func (i *installer) installed() (program, ran string) {
	text, _ := os.ReadFile(filepath.Join(i.into, "tale"))
	log, _ := os.ReadFile(i.canary)
	_ = os.Remove(filepath.Join(i.into, "tale"))
	_ = os.Remove(i.canary)
	return string(text), string(log)
}

func TestScriptInstalls(t *testing.T) {
	for _, shell := range shells {
		i := newInstaller(t, "0.9.0", "1.10.0")
		for name, tt := range map[string]struct {
			environ, args []string
			want          string
		}{
			"newest":      {nil, nil, "1.10.0"},
			"latest":      {[]string{"VERSION=latest"}, nil, "1.10.0"},
			"variable":    {[]string{"VERSION=0.9.0"}, nil, "0.9.0"},
			"variable, v": {[]string{"VERSION=v0.9.0"}, nil, "0.9.0"},
			"argument":    {nil, []string{"0.9.0"}, "0.9.0"},
			"argument, v": {nil, []string{"v0.9.0"}, "0.9.0"},
			"both":        {[]string{"VERSION=v0.9.0"}, []string{"0.9.0"}, "0.9.0"},
			"empty":       {[]string{"VERSION="}, []string{""}, "1.10.0"},
		} {
			t.Run(shell+" "+name, func(t *testing.T) {
				code, says := i.run(shell, tt.environ, tt.args...)
				program, ran := i.installed()
				if code != 0 || program != i.program(tt.want) || ran != tt.want+"\n" || !strings.Contains(says, "tale "+tt.want+" is installed: "+i.into+"/tale\n") {
					t.Errorf("exit %d, ran %q: %s", code, ran, says)
				}
			})
		}
	}
}

// TestScriptsHaveHelp: whoever asks for it gets it, and nothing else happens.
func TestScriptsHaveHelp(t *testing.T) {
	for _, shell := range shells {
		i := newInstaller(t, "1.0.0")
		for script, says := range map[string]string{"install-cli.sh": "| VERSION=0.9.0 bash", "get-admin-key.sh": "get-admin-key.sh PROJECT"} {
			for _, flag := range []string{"-h", "--help"} {
				i.text = testkit.ReadFile(t, root+"/scripts/"+script)
				code, text := i.run(shell, nil, flag)
				if program, ran := i.installed(); code != 0 || program != "" || ran != "" || !strings.Contains(text, says) || i.host.requests() != "" {
					t.Errorf("%s %s in %s: exit %d, asked for %q: %s", script, flag, shell, code, i.host.requests(), text)
				}
			}
		}
	}
}

// What is said of a download that is none, and that nothing of it is executed.
func TestScriptRefuses(t *testing.T) {
	send := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	page := send("<!DOCTYPE html><html>Log in</html>")
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte("#!/bin/sh\n"))
	}
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for _, shell := range shells {
		i := newInstaller(t, "0.9.0", "1.0.0")
		for name, tt := range map[string]struct {
			file    string // whose answer is another
			answer  func(http.ResponseWriter, *http.Request)
			environ []string
			args    []string
			says    string
		}{
			"no such version":  {"", nil, nil, []string{"7.7.7"}, "there is no http"},
			"no version":       {"", nil, nil, []string{"newest"}, "newest is no version"},
			"path":             {"", nil, []string{"VERSION=1.0.0/../1.0.0"}, nil, "is no version"},
			"two parts":        {"", nil, nil, []string{"1.0"}, "1.0 is no version"},
			"four parts":       {"", nil, nil, []string{"1.0.0.0"}, "is no version"},
			"two versions":     {"", nil, []string{"VERSION=1.0.0"}, []string{"0.9.0"}, "give one of them"},
			"two arguments":    {"", nil, nil, []string{"1.0.0", "0.9.0"}, "give one version"},
			"page, newest":     {"release.json", page, nil, nil, "is no description of a release"},
			"page, sums":       {"SHA256SUMS", page, nil, nil, "has no checksum of " + ours},
			"page, program":    {ours, page, nil, nil, "is not what was published"},
			"cut, sums":        {"SHA256SUMS", cut, nil, nil, "was cut off"},
			"cut, program":     {ours, cut, nil, nil, "was cut off"},
			"empty, program":   {ours, send(""), nil, nil, "is not what was published"},
			"gone, program":    {ours, status(404), nil, nil, "there is no http"},
			"forbidden":        {ours, status(403), nil, nil, "there is no http"},
			"broken, program":  {ours, status(500), nil, nil, "there is no http"},
			"older program":    {ours, send(i.program("0.9.0")), nil, nil, "is not what was published"},
			"sums of another":  {"SHA256SUMS", send(strings.Repeat("0", 64) + "  tale_other\n"), nil, nil, "has no checksum"},
			"redirects no end": {ours, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, nil, nil, "cannot be reached"},
			"redirected to ftp": {ours, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "ftp://127.0.0.1/x", http.StatusFound)
			}, nil, nil, "cannot be reached"},
			"with password": {ours, status(404), []string{"TALE_RELEASES_URL=" + strings.Replace(i.host.URL, "//", "//ann:hunter2@", 1)}, nil, "from http://127.0.0.1"},
			"nobody there":  {"", nil, []string{"TALE_RELEASES_URL=http://" + testkit.FreeAddress(t)}, nil, "cannot be reached"},
		} {
			t.Run(shell+" "+name, func(t *testing.T) {
				i.host.respond(func(w http.ResponseWriter, r *http.Request) bool {
					if tt.file == "" || !strings.HasSuffix(r.URL.Path, "/"+tt.file) {
						return false
					}
					tt.answer(w, r)
					return true
				})
				code, says := i.run(shell, tt.environ, tt.args...)
				if program, ran := i.installed(); code != 1 || program != "" || ran != "" || strings.Contains(says, "hunter2") || !strings.Contains(says, "tale was not installed: ") || !strings.Contains(says, tt.says) {
					t.Errorf("exit %d, ran %q: %s", code, ran, says)
				}
			})
		}
	}
}

// TestScriptGivesUp on a server that breaks off each answer, where wget tries twenty times by
// itself, and says nothing of it.
func TestScriptGivesUp(t *testing.T) {
	i := newInstaller(t, "1.0.0")
	i.fake("curl", "")
	i.have("wget")
	var asked atomic.Int32
	i.host.respond(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/"+ours) {
			asked.Add(1)
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte("#!"))
		}
		return strings.HasSuffix(r.URL.Path, "/"+ours)
	})
	code, says := i.run("sh", nil, "1.0.0")
	if program, ran := i.installed(); code != 1 || program != "" || ran != "" || asked.Load() != 3 || !strings.Contains(says, "tale was not installed: ") {
		t.Errorf("exit %d after %d requests: %s", code, asked.Load(), says)
	}
}

// Slow answers and redirects are nothing wrong, nor is wget.
func TestScriptTakesWhatComes(t *testing.T) {
	for _, shell := range shells {
		i := newInstaller(t, "1.0.0")
		for name, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
			"slow": func(w http.ResponseWriter, r *http.Request) bool {
				i.host.mu.Lock()
				text := i.host.files["1.0.0/"+filepath.Base(r.URL.Path)]
				i.host.mu.Unlock()
				for part := range slices.Chunk(text, 1+len(text)/50) {
					_, _ = w.Write(part)
					_ = http.NewResponseController(w).Flush()
				}
				return true
			},
			"redirected": func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.RawQuery == "" {
					http.Redirect(w, r, r.URL.Path+"?signed=1", http.StatusFound)
				}
				return r.URL.RawQuery == ""
			},
		} {
			for _, with := range []string{"curl", "wget"} {
				t.Run(shell+" "+name+" "+with, func(t *testing.T) {
					i.fake("curl", "")
					i.have(with)
					i.host.respond(answer)
					code, says := i.run(shell, nil, "1.0.0")
					if program, _ := i.installed(); code != 0 || program != i.program("1.0.0") {
						t.Errorf("exit %d: %s", code, says)
					}
				})
			}
		}
	}
}

func TestScriptLooksAtTheMachine(t *testing.T) {
	for _, shell := range shells {
		i := newInstaller(t, "1.0.0")
		for name, tt := range map[string]struct {
			system, arch string
			translated   string
			asks, says   string
		}{
			"Intel":            {"Linux", "x86_64", "", "tale_linux_amd64", ""},
			"ARM":              {"Linux", "aarch64", "", "tale_linux_arm64", ""},
			"Mac":              {"Darwin", "arm64", "0", "tale_darwin_arm64", ""},
			"Intel Mac":        {"Darwin", "x86_64", "0", "tale_darwin_amd64", ""},
			"translated":       {"Darwin", "x86_64", "1", "tale_darwin_arm64", ""},
			"32 bits":          {"Linux", "armv7l", "", "", "there is no tale for armv7l"},
			"another":          {"Linux", "riscv64", "", "", "there is no tale for riscv64"},
			"Windows":          {"MINGW64_NT-10.0", "x86_64", "", "", "on Windows run this in WSL"},
			"no sysctl at all": {"Darwin", "x86_64", "", "tale_darwin_amd64", ""},
		} {
			t.Run(shell+" "+name, func(t *testing.T) {
				i.host.respond(nil)
				i.fake("uname", "case $1 in -s) echo "+tt.system+" ;; *) echo "+tt.arch+" ;; esac")
				i.fake("sysctl", "")
				if tt.translated != "" {
					i.fake("sysctl", "echo "+tt.translated)
				}
				code, says := i.run(shell, nil)
				i.installed()
				asked := i.host.requests()
				if tt.says != "" && (code != 1 || !strings.Contains(says, tt.says) || asked != "") {
					t.Errorf("exit %d: %s, asked for %s", code, says, asked)
				}
				if tt.asks != "" && (code != 0 || !strings.Contains(asked, "/"+tt.asks)) {
					t.Errorf("exit %d: %s, asked for %s", code, says, asked)
				}
			})
		}
	}
}

// The signature counts where minisign is there.
func TestScriptVerifiesTheSignature(t *testing.T) {
	minisign := filepath.Join(testkit.PublicDir(t), "minisign")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", minisign, "aead.dev/minisign/cmd/minisign").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	i := newInstaller(t, "0.9.0", "1.0.0")
	i.fake("minisign", `exec `+minisign+` "$@"`)
	stranger := newInstaller(t, "1.0.0")
	for name, tt := range map[string]struct {
		from    *installer
		version string
		code    int
		says    string
	}{
		"right":     {i, "1.0.0", 0, "its checksum and its signature are right"},
		"older":     {i, "0.9.0", 1, `the signature is of "tale 0.9.0 ` + ours + `", and not of "tale 1.0.0`},
		"strangers": {stranger, "1.0.0", 1, "is not what was signed"},
	} {
		t.Run(name, func(t *testing.T) {
			// An attacker who changes the program changes the checksums as well.
			i.host.respond(func(w http.ResponseWriter, r *http.Request) bool {
				text := tt.from.host.files[tt.version+"/"+filepath.Base(r.URL.Path)]
				_, _ = w.Write(text)
				return true
			})
			code, says := i.run("sh", nil, "1.0.0")
			if program, _ := i.installed(); code != tt.code || !strings.Contains(says, tt.says) || (program != "") != (code == 0) {
				t.Errorf("exit %d: %s", code, says)
			}
		})
	}
	i.text = regexp.MustCompile(`(?m)^KEYS=.*$`).ReplaceAllString(i.text, `KEYS=""`)
	i.host.respond(nil)
	if code, says := i.run("sh", nil, "1.0.0"); code != 0 || !strings.Contains(says, "its signature is not verified, because this script has no keys") {
		t.Errorf("exit %d: %s", code, says)
	}
}

// A program that does not run here, or is another version, replaces none that does.
func TestScriptTriesTheProgram(t *testing.T) {
	i := newInstaller(t, "1.0.0")
	i.publish("1.1.0", "\x7fELF of another machine")
	i.publish("1.2.0", "#!/bin/sh\necho 1.2.01\n")
	for version, want := range map[string]string{"1.1.0": "does not run on this machine", "1.2.0": "says that it is 1.2.01, and not 1.2.0"} {
		if code, says := i.run("sh", nil, "1.0.0"); code != 0 {
			t.Fatal(says)
		}
		code, says := i.run("sh", nil, version)
		if program, _ := i.installed(); code != 1 || program != i.program("1.0.0") || !strings.Contains(says, want) {
			t.Errorf("exit %d: %s", code, says)
		}
	}
}

// What is there is found by PATH, and replaced where its link leads to.
func TestScriptFindsWhatIsThere(t *testing.T) {
	i := newInstaller(t, "1.0.0", "2.0.0")
	target := filepath.Join(i.into, "tale")
	if code, says := i.run("sh", nil, "1.0.0"); code != 0 || !strings.Contains(says, i.into+" is not in PATH: add it") {
		t.Fatal(says)
	}
	if err := os.Symlink(target, filepath.Join(i.bin, "tale")); err != nil {
		t.Fatal(err)
	}
	code, says := i.run("sh", []string{"INSTALL_DIR="})
	if code != 0 || testkit.ReadFile(t, target) != i.program("2.0.0") || !strings.Contains(says, "tale is there already: "+i.bin+"/tale (1.0.0)") || strings.Contains(says, "PATH") {
		t.Errorf("exit %d: %s", code, says)
	}
	i.fake("tale", "echo 0.1.0")
	if code, says = i.run("sh", nil); code != 0 || !strings.Contains(says, "but tale still means "+i.bin+"/tale, which comes first in PATH") {
		t.Errorf("exit %d: %s", code, says)
	}
	i.into = filepath.Join(i.into, "Cellar", "bin")
	testkit.WriteTree(t, i.into, map[string]string{"tale": "#!/bin/sh\necho 0.1.0\n"})
	_ = os.Remove(filepath.Join(i.bin, "tale"))
	if err := errors.Join(os.Chmod(filepath.Join(i.into, "tale"), 0o755), os.Symlink(filepath.Join(i.into, "tale"), filepath.Join(i.bin, "tale"))); err != nil {
		t.Fatal(err)
	}
	if code, says = i.run("sh", []string{"INSTALL_DIR="}); code != 1 || !strings.Contains(says, "a package has installed "+i.into) {
		t.Errorf("exit %d: %s", code, says)
	}
}

// sudo is asked for where it is needed, and only there.
func TestScriptAsksForSudoWhereItMust(t *testing.T) {
	testkit.RequireRoot(t)
	user := &syscall.Credential{Uid: 65534, Gid: 65534}
	for _, shell := range shells {
		i := newInstaller(t, "1.0.0")
		if code, says := i.as(user, shell, nil); code != 1 || !strings.Contains(says, "this user may not write to "+i.into+", and there is no sudo") {
			t.Errorf("exit %d: %s", code, says)
		}
		log := filepath.Join(testkit.PublicDir(t), "log")
		testkit.WriteTree(t, filepath.Dir(log), map[string]string{"log": ""})
		if err := os.Chmod(log, 0o666); err != nil {
			t.Fatal(err)
		}
		i.fake("sudo", `echo "$*" >>`+log)
		code, says := i.as(user, shell, nil)
		if text := testkit.ReadFile(t, log); code != 1 || !strings.Contains(says, "sudo is asked for") || !strings.Contains(text, "cp ") {
			t.Errorf("exit %d: %s, sudo %s", code, says, text)
		}
		if err := os.Chown(i.into, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		i.fake("sudo", `echo "$*" >>`+log+"; exit 1")
		code, says = i.as(user, shell, nil)
		if program, _ := i.installed(); code != 0 || program != i.program("1.0.0") || strings.Contains(says, "sudo") {
			t.Errorf("exit %d: %s", code, says)
		}
	}
}

// However much of the script arrives, less than all of it does nothing.
func TestScriptThatIsCutDoesNothing(t *testing.T) {
	i := newInstaller(t)
	mark := filepath.Join(i.bin, "mark")
	for _, name := range append(slices.Clone(tools), "curl", "wget", "sudo", "minisign", "hash") {
		i.fake(name, "echo "+name+" >>"+mark)
	}
	whole := strings.TrimRight(i.text, "\n")
	group := strings.Index(whole, "\n{\n") + 2
	var lengths []int
	for length := group; length < len(whole); length += 37 {
		lengths = append(lengths, length)
	}
	for length := len(whole) - 150; length < len(whole); length++ {
		lengths = append(lengths, length)
	}
	for _, shell := range shells {
		for _, length := range lengths {
			i.text = whole[:length]
			if code, says := i.run(shell, nil); code == 0 {
				t.Errorf("%s: %d of %d bytes end with 0: %s", shell, length, len(whole), says)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Fatalf("%s: %d of %d bytes have run %s", shell, length, len(whole), testkit.ReadFile(t, mark))
			}
		}
	}
}

// Whatever is changed on the way, what is executed is what was published.
func TestScriptExecutesNoChangedDownload(t *testing.T) {
	i := newInstaller(t, "1.0.0")
	genuine := i.host.files
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for n := range 60 {
		name := []string{ours, "SHA256SUMS"}[n%2]
		text := bytes.Clone(genuine["1.0.0/"+name])
		if at := random.IntN(len(text)); n%3 == 0 {
			text = text[:at]
		} else {
			text[at] ^= 1 << random.IntN(8)
		}
		i.host.respond(func(w http.ResponseWriter, r *http.Request) bool {
			if filepath.Base(r.URL.Path) == name {
				_, _ = w.Write(text)
			}
			return filepath.Base(r.URL.Path) == name
		})
		code, says := i.run(shells[n%4/2], nil, "1.0.0")
		program, ran := i.installed()
		if right := program == i.program("1.0.0"); (code == 0) != right || (ran != "") != right || name == ours && right {
			t.Errorf("%s changed: exit %d, ran %q: %s", name, code, ran, says)
		}
	}
}

// The script has the keys that the program is built with, and its repository.
func TestScriptHasTheKeys(t *testing.T) {
	script := testkit.ReadFile(t, root+"/scripts/install-cli.sh")
	inScript := regexp.MustCompile(`(?m)^KEYS="(.*)"$`).FindStringSubmatch(script)
	var inProgram []string
	for line := range strings.Lines(testkit.ReadFile(t, root+"/internal/tale/selfupdate/keys.txt")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			inProgram = append(inProgram, line)
		}
	}
	if inScript == nil || !slices.Equal(strings.Fields(inScript[1]), inProgram) {
		t.Errorf("%q; want %q", inScript, inProgram)
	}
	if !strings.Contains(script, "\nRELEASES=https://github.com/"+selfupdate.Repository+"/releases\n") {
		t.Error("the script is of another repository")
	}
}
