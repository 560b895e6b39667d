package engine_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestConnectFindsTheEngineAsTheDockerCommandDoes(t *testing.T) {
	server := enginetest.New(t)
	home := t.TempDir()
	meta := must[[]byte](t)(json.Marshal(map[string]any{"Name": "there", "Endpoints": map[string]any{"docker": map[string]any{"Host": server.Host()}}}))
	hash := sha256.Sum256([]byte("there"))
	write(t, filepath.Join(home, "contexts", "meta", hex.EncodeToString(hash[:]), "meta.json"), string(meta))
	write(t, filepath.Join(home, "current", "config.json"), `{"currentContext":"there"}`)
	if err := os.Symlink(filepath.Join(home, "contexts"), filepath.Join(home, "current", "contexts")); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options engine.Options
		origin  string
	}{
		"asked for":           {engine.Options{Host: server.Host(), Environ: config.Environ{"DOCKER_HOST": "unix:///nowhere"}}, "as asked"},
		"DOCKER_HOST":         {engine.Options{Environ: config.Environ{"DOCKER_HOST": server.Host(), "DOCKER_CONTEXT": "no such"}}, "DOCKER_HOST"},
		"DOCKER_CONTEXT":      {engine.Options{Environ: config.Environ{"DOCKER_CONFIG": home, "DOCKER_CONTEXT": "there"}}, `context "there"`},
		"the current context": {engine.Options{Environ: config.Environ{"DOCKER_CONFIG": filepath.Join(home, "current")}}, `context "there"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := connect(t, tt.options)
			if host, origin := e.Host(); host != server.Host() || origin != tt.origin {
				t.Errorf("%s, %s", host, origin)
			}
		})
	}
}

func TestConnectSaysWhatToDo(t *testing.T) {
	folder := t.TempDir()
	refusing := filepath.Join(folder, "refusing")
	listener, err := net.Listen("unix", refusing)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	good, old, tooOld := enginetest.New(t), enginetest.New(t), enginetest.New(t)
	old.API, tooOld.API = "1.40", "1.30"
	write(t, filepath.Join(folder, "bin", "ssh"), "#!/bin/sh\necho no route >&2\nexit 255\n")
	t.Setenv("PATH", filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	broken := write(t, filepath.Join(folder, "broken", "config.json"), "{")
	tests := map[string]struct {
		env   config.Environ
		code  int
		words []string
	}{
		"not running":    {config.Environ{"DOCKER_HOST": "unix://" + refusing}, exit.Unavailable, []string{refusing, "DOCKER_HOST", "is it running?"}},
		"no socket":      {config.Environ{"DOCKER_HOST": "unix://" + folder + "/none"}, exit.Unavailable, []string{folder + "/none", "is it running?"}},
		"no such name":   {config.Environ{"DOCKER_HOST": "tcp://engine.invalid:2375"}, exit.Unavailable, []string{"engine.invalid"}},
		"another server": {config.Environ{"DOCKER_HOST": "tcp://" + strings.TrimPrefix(other.URL, "http://")}, exit.Unavailable, []string{"DOCKER_HOST", "is no Docker engine"}},
		"nobody there":   {config.Environ{"DOCKER_HOST": "tcp://" + testkit.FreeAddress(t)}, exit.Unavailable, []string{"does it listen there?"}},
		"ssh refuses":    {config.Environ{"DOCKER_HOST": "ssh://shop@there.example", "HOME": folder}, exit.Unavailable, []string{": no route; is it running? `ssh ssh://shop@there.example docker version` says"}},
		"no such scheme": {config.Environ{"DOCKER_HOST": "nonsense"}, exit.Config, []string{"nonsense", "DOCKER_HOST"}},
		"old":            {config.Environ{"DOCKER_HOST": old.Host()}, exit.Unavailable, []string{"1.40", "1.41"}},
		"too old":        {config.Environ{"DOCKER_HOST": tooOld.Host()}, exit.Unavailable, []string{"1.30", "1.41"}},
		"no API":         {config.Environ{"DOCKER_HOST": good.Host(), "DOCKER_API_VERSION": "new"}, exit.Config, []string{"DOCKER_API_VERSION is \"new\"", "1.41"}},
		"another API":    {config.Environ{"DOCKER_HOST": good.Host(), "DOCKER_API_VERSION": "1.99"}, exit.Config, []string{"DOCKER_API_VERSION is 1.99", "1.41", "unset it"}},
		"a former API":   {config.Environ{"DOCKER_HOST": good.Host(), "DOCKER_API_VERSION": "1.40"}, exit.Config, []string{"DOCKER_API_VERSION is 1.40", "unset it"}},
		"no context":     {config.Environ{"DOCKER_CONTEXT": "none", "HOME": folder}, exit.Config, []string{"none", "docker context ls"}},
		"broken config":  {config.Environ{"DOCKER_CONFIG": filepath.Dir(broken)}, exit.Config, []string{broken}},
		"no ssh host":    {config.Environ{"DOCKER_HOST": "ssh://"}, exit.Config, []string{"ssh"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := engine.Connect(t.Context(), engine.Options{Environ: tt.env})
			testkit.WantError(t, err, tt.code, tt.words...)
			for _, word := range []string{"daemon", "command [", "\n"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("%q is not for people: %v", word, err)
				}
			}
		})
	}
}

// Where HOME is not set, as in a unit of systemd, the user's folder is the one that the system knows,
// and never the one that a command was typed in.
func TestWithoutHome(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, ".docker", "config.json"), "{")
	t.Chdir(folder)
	connect(t, engine.Options{Host: enginetest.New(t).Host(), Environ: config.Environ{"PATH": os.Getenv("PATH")}})
}

func TestSocketOfOthers(t *testing.T) {
	server := enginetest.New(t)
	socket := strings.TrimPrefix(server.Host(), "unix://")
	for path, mode := range map[string]os.FileMode{socket: 0, filepath.Dir(socket): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	closed := filepath.Join(filepath.Dir(socket), "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	for home, words := range map[string][]string{
		"/none": {socket, "DOCKER_HOST", "usermod -aG docker"},
		closed:  {closed + "/.docker/config.json cannot be read", "HOME, or DOCKER_CONFIG,"},
	} {
		command := exec.Command(os.Args[0])
		command.Env = []string{testkit.RoleVariable + "=stranger", "DOCKER_HOST=" + server.Host(), "HOME=" + home}
		out, _ := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != exit.NoPermission {
			t.Errorf("exit code %d", code)
		}
		for _, word := range words {
			if !strings.Contains(string(out), word) {
				t.Errorf("nothing says %q in: %s", word, out)
			}
		}
	}
}

// What a proxy of HTTP answers in the engine's place is the proxy's.
func TestAnEngineBehindAProxy(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for name, proxy := range map[string]string{"answers": other.Listener.Addr().String(), "does not": testkit.FreeAddress(t)} {
		command := exec.Command(os.Args[0])
		command.Env = []string{testkit.RoleVariable + "=stranger", "DOCKER_HOST=tcp://engine.example:2375", "HOME=/none", "HTTP_PROXY=http://me:hunter2@" + proxy}
		out, _ := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != exit.Unavailable || !strings.Contains(string(out), "through the proxy "+proxy+" (HTTP_PROXY)") || strings.Contains(string(out), "hunter2") {
			t.Errorf("one that %s: exit code %d, %s", name, code, out)
		}
	}
}

// stranger connects as a user who is in no group; root may use every socket.
func stranger() int {
	if os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(1001), syscall.Setuid(1001)); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	_, err := engine.Connect(context.Background(), engine.Options{})
	fmt.Println(err)
	return exit.Code(err)
}

func TestConnectOverTCP(t *testing.T) {
	server := enginetest.New(t)
	proxy := newProxy(t, strings.TrimPrefix(server.Host(), "unix://"))
	e := connect(t, engine.Options{Environ: config.Environ{"DOCKER_HOST": "tcp://" + proxy.Addr().String()}})
	info, err := e.Info(t.Context())
	if err != nil || info.Local || info.ID != server.Info.ID {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestConnectOverTLS(t *testing.T) {
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: "web", Image: "x:1", Running: true})
	server.SetExec(func(string, []string, string) (string, string, int) { return "out", "", 0 })
	secure, ca := testkit.Certificate(t)
	secure.ClientAuth = tls.RequireAnyClientCert
	pair := secure.Certificates[0]
	key := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(pair.PrivateKey))
	write(t, filepath.Join(filepath.Dir(ca), "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	write(t, filepath.Join(filepath.Dir(ca), "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	host := "tcp://" + newProxy(t, strings.TrimPrefix(server.Host(), "unix://"), secure).Addr().String()
	e := connect(t, engine.Options{Environ: config.Environ{"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": filepath.Dir(ca)}})
	if stdout, _, _, err := e.Exec(t.Context(), "web", []string{"x"}, strings.NewReader("input")); stdout != "out" || err != nil {
		t.Errorf("%q %v", stdout, err)
	}
	_, err := engine.Connect(t.Context(), engine.Options{Environ: config.Environ{"DOCKER_HOST": host}})
	testkit.WantError(t, err, exit.Unavailable, host)
}

// TestConnectOverSSH stands in for ssh: what matters is how it is called, and that the
// API goes through it.
func TestConnectOverSSH(t *testing.T) {
	server := enginetest.New(t)
	bin := t.TempDir()
	write(t, filepath.Join(bin, "ssh"), "#!/bin/sh\necho \"$@\" >> "+bin+"/args\nexec "+must[string](t)(os.Executable())+" dial "+strings.TrimPrefix(server.Host(), "unix://")+"\n")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TALE_TEST_ROLE", "dial")
	e := connect(t, engine.Options{Environ: config.Environ{"DOCKER_HOST": "ssh://shop@there.example", "HOME": bin}})
	must[engine.Info](t)(e.Info(t.Context()))
	args := string(must[[]byte](t)(os.ReadFile(filepath.Join(bin, "args"))))
	for _, word := range []string{"ControlMaster=auto", "ControlPath=" + bin + "/.ssh/tale-", "-l shop", "there.example", "docker system dial-stdio"} {
		if !strings.Contains(args, word) {
			t.Errorf("ssh is not called with %q: %s", word, args)
		}
	}
}

func TestInfo(t *testing.T) {
	server, e := fake(t, func(s *enginetest.Server) {
		s.Info.Architecture, s.Info.SecurityOptions = "aarch64", []string{"name=seccomp,profile=default", "name=rootless"}
		s.Ahead = time.Hour
	})
	info := must[engine.Info](t)(e.Info(t.Context()))
	if off := info.Ahead - server.Ahead; off.Abs() > 10*time.Second {
		t.Errorf("its clock is ahead by %s", info.Ahead)
	}
	info.Ahead = 0
	want := engine.Info{ID: server.Info.ID, Name: server.Info.Name, Version: "20.10.24", API: "1.41", OS: "linux", Arch: "arm64", Memory: 16 << 30, CPUs: 4, Root: server.Info.DockerRootDir, Rootless: true, Local: true}
	if info != want {
		t.Errorf("%+v", info)
	}
}

func TestNewerEngineIsAskedInItsOwnVersion(t *testing.T) {
	for _, version := range []string{"1.43", "1.52", "1.57", "1.99"} {
		_, e := fake(t, func(s *enginetest.Server) { s.API = version })
		info := must[engine.Info](t)(e.Info(t.Context()))
		if want := min(version, "1.57"); info.API != want {
			t.Errorf("engine %s is asked in %s", version, info.API)
		}
	}
}
