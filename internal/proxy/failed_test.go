package proxy

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// logLine is how every line of a log begins.
var logLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO |WARN |ERROR) `)

// A proxy that cannot start says what, why and what to do, in the form of the other
// services, and every line of it has a time and a level.
func TestAStartThatFails(t *testing.T) {
	damaged := func(t *testing.T, env config.Environ) {
		t.Helper()
		folder := filepath.Join(env["PROXY_DATA_DIR"], "caddy/pki/authorities/local")
		if err := os.MkdirAll(filepath.Join(env["PROXY_DATA_DIR"], "caddy/certificates/local"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"root.crt", "root.key"} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte("garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	mounted := func(options uintptr, of func(*testing.T, string)) func(*testing.T, config.Environ) {
		return func(t *testing.T, env config.Environ) {
			t.Helper()
			folder := env["PROXY_DATA_DIR"]
			if err := unix.Mount("tmpfs", folder, "tmpfs", options, "size=64k"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(folder, 0) })
			of(t, folder)
		}
	}
	for name, tt := range map[string]struct {
		env    config.Environ
		inject func(*testing.T, config.Environ)
		code   int
		lines  []string
	}{
		"several settings": {
			env: config.Environ{"TLS_MODE": "selfsinged", "DASHBOARD_ALLOW": "10.0.0.0/8;192.168.1.1", "SITE_URL": ""}, code: exit.Config,
			lines: []string{"FAILED at config", "said     cannot use the configuration: 3 problems", "TLS_MODE", "DASHBOARD_ALLOW", "SITE_URL is not set", "cause    3 settings in the environment", "fix      correct the variables", "changed  nothing", "retry    no, the same input fails the same way (exit code 78)"},
		},
		"a health port that the site has": {
			inject: func(_ *testing.T, env config.Environ) { env["PROXY_HEALTH_ADDR"] = "127.0.0.1:" + env["HTTPS_PORT"] }, code: exit.Config,
			lines: []string{"FAILED at config", "PROXY_HEALTH_ADDR has port", "which is HTTPS_PORT too", "cause    the environment", "fix      correct the variables"},
		},
		"the proxy as its own upstream": {
			inject: func(_ *testing.T, env config.Environ) { env["PLATFORM_UPSTREAM"] = "127.0.0.1:" + env["HTTP_PORT"] }, code: exit.Config,
			lines: []string{"FAILED at config", "PLATFORM_UPSTREAM 127.0.0.1:", "is this proxy (HTTP_PORT)", "where the service itself listens"},
		},
		"a folder of routes that is not there": {
			env: config.Environ{"PROXY_SITE_DIR": "/nowhere/site.d"}, code: exit.Config,
			lines: []string{"FAILED at config", "PROXY_SITE_DIR names /nowhere/site.d, which is not in this container"},
		},
		"a port in use": {
			inject: func(t *testing.T, env config.Environ) {
				t.Helper()
				taken, err := net.Listen("tcp", "127.0.0.1:"+env["HTTPS_PORT"])
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = taken.Close() })
			}, code: exit.Config,
			lines: []string{"FAILED at config", "(HTTPS_PORT): another process already does", "cause    a port belongs to one process", "fix      stop that process, or set HTTPS_PORT"},
		},
		"the authority is damaged": {
			inject: damaged, code: exit.Config,
			lines: []string{"FAILED at storage", "said     cannot use the local authority", "cause    visitors trust this authority", "fix      restore "},
		},
		"read-only data": {
			inject: mounted(unix.MS_RDONLY, func(*testing.T, string) {}), code: exit.NoPermission,
			lines: []string{"FAILED at storage", "read-only file system", "cause    the volume is mounted with :ro", "fix      mount a volume or a tmpfs at ", "or name another folder in PROXY_DATA_DIR"},
		},
		"a full disk at the first start": {
			inject: mounted(0, func(t *testing.T, folder string) {
				t.Helper()
				_ = os.WriteFile(filepath.Join(folder, "full"), make([]byte, 1<<20), 0o600) // as much as there is room for
			}), code: exit.Unavailable,
			lines: []string{"WARN  no certificate can be made or renewed until there is space full=", "no space left", "FAILED at serve", "cause    the disk below", "fix      free some space"},
		},
		"a wrong file of the operator": {
			inject: func(t *testing.T, env config.Environ) {
				t.Helper()
				env["PROXY_SITE_DIR"] = siteDir(t, map[string]string{"one.caddy": "nonsense\n"})
			}, code: exit.Config,
			lines: []string{"FAILED at config", "one.caddy:1", "as they stand inside a site block", "cause    what PROXY_SITE_DIR names is not usable", "fix      correct /", "one.caddy, or take it out of the folder"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environ(t, tt.env)
			if tt.inject != nil {
				tt.inject(t, env)
			}
			env["XDG_CONFIG_HOME"] = t.TempDir() // as in the image
			p := spawnUnchecked(t, env, "run")
			if code := p.WaitWithin(time.Minute); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			said := p.Output.String()
			for line := range strings.Lines(said) {
				if !logLine.MatchString(line) {
					t.Errorf("a bare line: %s", line)
				}
			}
			for _, want := range tt.lines {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in\n%s", want, said)
				}
			}
		})
	}
}

// A disk that is full later keeps nobody from being served.
func TestAFullDiskServesWhatThereIs(t *testing.T) {
	env := environ(t, config.Environ{"TLS_MODE": stack.TLSSelfSigned, "ASSETS_CACHE": "0"})
	if err := unix.Mount("tmpfs", env["PROXY_DATA_DIR"], "tmpfs", 0, "size=128k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(env["PROXY_DATA_DIR"], 0) })
	first := spawnReady(t, env)
	first.Signal(unix.SIGTERM)
	if code := first.WaitWithin(10 * time.Second); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	_ = os.WriteFile(filepath.Join(env["PROXY_DATA_DIR"], "full"), make([]byte, 1<<20), 0o600)
	second := spawnReady(t, env)
	second.Expect("no certificate can be made or renewed")
	if got := second.get("/", nil).StatusCode; got != 200 {
		t.Errorf("status %d", got)
	}
}

// A limit that leaves no room for visitors is said before they come.
func TestFewOpenFilesAreSaid(t *testing.T) {
	env := environ(t, nil)
	command := exec.Command("sh", "-c", `ulimit -n 256 && exec "$0" run`, os.Args[0])
	command.Env = append(env.List(), "PATH="+os.Getenv("PATH"), testkit.RoleVariable+"="+proxytest.Role, "XDG_CONFIG_HOME="+t.TempDir())
	p := testkit.Start(t, command)
	p.Until("it is said", func() bool {
		return p.Says("WARN  the limit of open files is low") && p.Says("limit=256") && p.Says("fix="+strconv.Quote(place.Here().FileLimit()))
	})
}
