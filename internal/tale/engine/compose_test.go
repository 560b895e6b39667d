package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const file = `
services:
  platform-blue:
    container_name: shop-platform-blue
    image: shop/platform:1
    environment: {A: "%s"}
    labels: {dev.tale.service: platform, dev.tale.colour: blue}
    networks: {internal: {aliases: [platform]}}
    volumes: ["data:/app/data:ro"]
    stop_grace_period: 45s
    restart: unless-stopped
  other:
    container_name: shop-other
    image: shop/none:1
volumes: {data: {name: shop_data, external: true}}
networks: {internal: {name: shop_internal, external: true}}
`

func TestUpCreatesWhatTheFileSays(t *testing.T) {
	server, e := fake(t)
	ctx := t.Context()
	server.AddImage(enginetest.Image{Tags: []string{"shop/platform:1"}})
	server.AddNetwork("shop_internal", nil)
	path := write(t, filepath.Join(t.TempDir(), "shop-blue.yml"), fmt.Sprintf(file, "1"))
	up := func(o engine.UpOptions) string {
		t.Helper()
		o.Project, o.File, o.Services = "shop-blue", path, []string{"platform-blue"}
		if err := e.Up(ctx, o); err != nil {
			t.Fatal(err)
		}
		return must[engine.Container](t)(e.Inspect(ctx, "shop-platform-blue")).ID
	}
	first := up(engine.UpOptions{})
	c := must[engine.Container](t)(e.Inspect(ctx, "shop-platform-blue"))
	if c.Service != "platform" || c.Colour != "blue" || c.ComposeProject != "shop-blue" || c.Environment["A"] != "1" || !slices.Contains(c.Aliases["shop_internal"], "platform") || c.StopTimeout.Seconds() != 45 || c.Mounts[0] != (engine.Mount{Volume: "shop_data", Path: "/app/data", ReadOnly: true}) || !c.State.Running {
		t.Errorf("%+v", c)
	}
	if up(engine.UpOptions{}) != first {
		t.Error("replaced, though nothing has changed")
	}
	write(t, path, fmt.Sprintf(file, "2"))
	second := up(engine.UpOptions{})
	if second == first || up(engine.UpOptions{Recreate: true}) == second {
		t.Error("not replaced")
	}
}

func TestUpFailsInComposesWords(t *testing.T) {
	server, e := fake(t)
	server.AddImage(enginetest.Image{Tags: []string{"shop/platform:1"}})
	path := write(t, filepath.Join(t.TempDir(), "shop-blue.yml"), fmt.Sprintf(file, "1"))
	err := e.Up(t.Context(), engine.UpOptions{Project: "shop-blue", File: path, Services: []string{"other"}})
	testkit.WantError(t, err, exit.Failure, "cannot create other", "No such image: shop/none:1")
	if strings.Contains(err.Error(), "Creating") {
		t.Error(err)
	}
	server.Fault("", "*", enginetest.Fault{Drop: true}, -1)
	err = e.Up(t.Context(), engine.UpOptions{Project: "shop-blue", File: path, Services: []string{"platform-blue"}})
	testkit.WantError(t, err, exit.Unavailable, "cannot create platform-blue")
}

// What mends something is told the same way by both: it is not in the engine's words.
func TestWhatMendsAStart(t *testing.T) {
	for said, mends := range map[string]string{
		// A port that the engine keeps for a container that it has lost.
		"driver failed programming external connectivity: Bind for 0.0.0.0:443 failed: port is already allocated": engine.Restart,
		"failed to initialize logging driver: journald is not enabled on this host":                               "`logging` in compose.override.yml",
		"logger: no log driver named 'loki' is registered":                                                        "`logging` in compose.override.yml",
		"error creating overlay mount: no space left on device":                                                   "`tale cleanup --dry-run`",
	} {
		server, e := fake(t)
		server.AddContainer(enginetest.Container{Name: "proxy", Image: "x:1"})
		server.Fault("POST", "/containers/*/start", enginetest.Fault{Status: 500, Message: said}, -1)
		testkit.WantError(t, e.Start(t.Context(), "proxy"), exit.Failure, said, mends)
		stubbed := stub(t, `echo "Error response from daemon: `+said+`" >&2; exit 1`, config.Environ{})
		testkit.WantError(t, stubbed.Up(t.Context(), engine.UpOptions{Project: "p", File: "f"}), exit.Failure, said, mends)
	}
}

// stub returns an engine with a docker command that does as a script says.
func stub(t *testing.T, script string, env config.Environ) *engine.Engine {
	t.Helper()
	server := enginetest.New(t)
	docker := write(t, filepath.Join(t.TempDir(), "docker"), "#!/bin/sh\n"+script)
	env["HOME"] = t.TempDir()
	if env["DOCKER_HOST"] == "" && env["DOCKER_CONTEXT"] == "" {
		env["DOCKER_HOST"] = server.Host()
	}
	return connect(t, engine.Options{Environ: env, Docker: docker})
}

func TestNoVariableOfTheShellReachesCompose(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("COMPOSE_FILE", "/of/the/process")
	e := stub(t, "env >"+out+"; echo \"$@\" >>"+out, config.Environ{
		"PATH": os.Getenv("PATH"), "COMPOSE_PROJECT_NAME": "x", "COMPOSE_PROFILES": "x", "POSTGRES_PASSWORD": "x", "SITE_URL": "x", "DOCKER_CONFIG": "/none", "SSH_AUTH_SOCK": "/agent", "DOCKERS": "x", "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
	})
	if err := e.Up(t.Context(), engine.UpOptions{Project: "p", File: "/f.yml", Services: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	text := string(must[[]byte](t)(os.ReadFile(out)))
	for _, line := range strings.Split(text, "\n") {
		name, _, found := strings.Cut(line, "=")
		if found && !slices.Contains([]string{"PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "SSH_AUTH_SOCK", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
			t.Errorf("compose is given %s", line)
		}
	}
	if want := "compose --ansi never --progress plain --env-file /dev/null -p p -f /f.yml up --detach --no-deps --no-build --pull never a b\n"; !strings.HasSuffix(text, want) {
		t.Errorf("%s", text)
	}
}

func TestComposeTalksToTheSameEngine(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	server := enginetest.New(t)
	docker := write(t, filepath.Join(t.TempDir(), "docker"), "#!/bin/sh\nenv >"+out)
	e := connect(t, engine.Options{Host: server.Host(), Docker: docker, Environ: config.Environ{"PATH": os.Getenv("PATH"), "DOCKER_HOST": "unix:///other", "DOCKER_CONTEXT": "other"}})
	if err := e.Up(t.Context(), engine.UpOptions{}); err != nil {
		t.Fatal(err)
	}
	text := string(must[[]byte](t)(os.ReadFile(out)))
	if !strings.Contains(text, "DOCKER_HOST="+server.Host()+"\n") || strings.Contains(text, "other") {
		t.Errorf("%s", text)
	}
}

func TestComposeVersion(t *testing.T) {
	for version, code := range map[string]int{"2.40.3": 0, "v2.20.0": 0, "2.20": 0, "5.7.1": 0, "2.19.9": exit.Config, "1.29.2": exit.Config, "": exit.Unavailable} {
		_, e := fake(t, func(s *enginetest.Server) { s.Compose = version })
		got, err := e.ComposeVersion(t.Context())
		switch {
		case code == 0 && (err != nil || got != strings.TrimPrefix(version, "v")):
			t.Errorf("%q: %q, %v", version, got, err)
		case code != 0:
			testkit.WantError(t, err, code, "install", version)
		}
	}
	server := enginetest.New(t)
	e := connect(t, engine.Options{Host: server.Host(), Environ: environ(t), Docker: "/none/docker"})
	_, err := e.ComposeVersion(t.Context())
	testkit.WantError(t, err, exit.Unavailable, "the docker command is not installed", "install")
}

// TestUpIsEndedAsAGroup: compose is asked first, so that it leaves its containers whole.
func TestUpIsEndedAsAGroup(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	whole := pid + ".whole"
	e := stub(t, "trap 'touch "+whole+"; exit' TERM; sleep 1000 & echo $! >"+pid+".new; mv "+pid+".new "+pid+"; wait", config.Environ{"PATH": os.Getenv("PATH")})
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupt := errors.New("interrupted by the user")
	ended := make(chan error, 1)
	go func() { ended <- e.Up(ctx, engine.UpOptions{Services: []string{"a"}}) }()
	testkit.Eventually(t, "it runs", func() bool { _, err := os.Stat(pid); return err == nil })
	cancel(interrupt)
	if err := <-ended; !errors.Is(err, interrupt) {
		t.Error(err)
	}
	var grandchild int
	if _, err := fmt.Sscan(string(must[[]byte](t)(os.ReadFile(pid))), &grandchild); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(whole); err != nil {
		t.Errorf("it was killed at once: %v", err)
	}
	testkit.Eventually(t, "its child ends", func() bool { return gone(grandchild) })
}

// gone reports whether a process is gone, or only waits to be reaped.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil
}

// TestUpEndsWithUs kills a process that runs compose.
func TestUpEndsWithUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // elsewhere the kernel does not tell
	}
	server := enginetest.New(t)
	pid := filepath.Join(t.TempDir(), "pid")
	docker := write(t, filepath.Join(t.TempDir(), "docker"), "#!/bin/sh\necho $$ >"+pid+".new; mv "+pid+".new "+pid+"; sleep 1000")
	us := exec.Command(os.Args[0], docker)
	us.Env = append(os.Environ(), testkit.RoleVariable+"=upper", "DOCKER_HOST="+server.Host())
	if err := us.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "compose runs", func() bool { _, err := os.Stat(pid); return err == nil })
	_ = us.Process.Kill()
	_ = us.Wait()
	var compose int
	if _, err := fmt.Sscan(string(must[[]byte](t)(os.ReadFile(pid))), &compose); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-compose, syscall.SIGKILL) })
	testkit.Eventually(t, "compose ends", func() bool { return gone(compose) })
}

func upper() int {
	e, err := engine.Connect(context.Background(), engine.Options{Docker: os.Args[1]})
	if err == nil {
		err = e.Up(context.Background(), engine.UpOptions{})
	}
	return exit.Code(err)
}
