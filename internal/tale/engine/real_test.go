package engine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// real connects to the machine's engine and returns an image and a name that is used for
// nothing else. What bears the name is removed at the end.
func real(t *testing.T, options engine.Options) (e *engine.Engine, image, name string) {
	t.Helper()
	image = testkit.EngineImage(t)
	name = fmt.Sprintf("eng%d-%s", os.Getpid(), strings.ToLower(strings.TrimPrefix(t.Name(), "TestReal")))
	e = connect(t, options)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, c := range must[[]engine.Container](t)(e.Everything(ctx)) {
			if strings.HasPrefix(c.Name, name) {
				_ = e.Stop(ctx, c.ID, time.Second)
				if err := e.Remove(ctx, c.ID); err != nil {
					t.Error(err)
				}
			}
		}
		if err := errors.Join(e.RemoveNetwork(ctx, name), e.RemoveVolume(ctx, name)); err != nil {
			t.Error(err)
		}
	})
	return e, image, name
}

const realFile = `
services:
  platform:
    container_name: %[1]s-web
    image: %[2]s
    command: [sh, -c, "echo out; echo err >&2; head -c 50000 /dev/zero | tr '\\0' x; echo; trap 'exit 7' TERM; echo content > /tmp/file; while :; do sleep 0.1; done"]
    environment: {A: "1=2 $$HOME $${SITE_URL}"}
    labels: {dev.tale.service: platform, dev.tale.colour: blue, dev.tale.version: "1.4"}
    healthcheck: {test: [CMD, test, -e, /tmp/ok], interval: 1s, retries: 1}
    networks: {internal: {aliases: [the-platform]}}
    volumes: ["data:/data:ro"]
    ports: ["127.0.0.1::80"]
    stop_grace_period: 20s
    pull_policy: never
  terminal:
    container_name: %[1]s-terminal
    image: %[2]s
    tty: true
    network_mode: none
    command: [sh, -c, "echo one; echo two; exit 3"]
  absent:
    image: %[1]s/none:1
    network_mode: none
    pull_policy: never
volumes: {data: {name: %[1]s, external: true}}
networks: {internal: {name: %[1]s, external: true}}
`

func TestRealContainers(t *testing.T) {
	e, image, name := real(t, engine.Options{})
	ctx := t.Context()
	if err := errors.Join(e.CreateNetwork(ctx, name, map[string]string{"project": name}), e.CreateVolume(ctx, name, map[string]string{"project": name})); err != nil {
		t.Fatal(err)
	}
	_, there, err := e.LocalVolume(ctx, name)
	_, part, wrong := e.LocalVolume(ctx, name[1:])
	if !there || part || errors.Join(err, wrong) != nil {
		t.Errorf("the volume is there: %t, a part of its name is one: %t, %v, %v", there, part, err, wrong)
	}
	must[string](t)(e.ComposeVersion(ctx))
	path := write(t, filepath.Join(t.TempDir(), "file.yml"), fmt.Sprintf(realFile, name, image))
	write(t, filepath.Join(filepath.Dir(path), ".env"), "COMPOSE_PROFILES=none\nCOMPOSE_FILE=/none\nSITE_URL=leaked\n")
	for _, variable := range []string{"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "SITE_URL"} {
		t.Setenv(variable, "leaked")
	}
	events, _ := e.Events(ctx, time.Time{}, name)
	up := engine.UpOptions{Project: name, File: path, Services: []string{"platform", "terminal"}}
	if err := e.Up(ctx, up); err != nil {
		t.Fatal(err)
	}
	next(t, events, "start")
	if event := next(t, events, "die"); event.ExitCode != 3 || event.Name != name+"-terminal" {
		t.Errorf("%+v", event)
	}
	next(t, events, "health_status: unhealthy")
	inspectReal(t, e, name)
	if found := must[[]engine.Container](t)(e.Everything(ctx)); !slices.ContainsFunc(found, func(c engine.Container) bool {
		return c.Name == name+"-web" && c.State.Running && c.State.Health == "unhealthy" && c.Ports[0].Container == 80
	}) {
		t.Errorf("%+v", found)
	}
	execReal(t, e, name+"-web")
	next(t, events, "health_status: healthy")
	first := must[engine.Container](t)(e.Inspect(ctx, name+"-web"))
	up.Services = up.Services[:1]
	if err := e.Up(ctx, up); err != nil {
		t.Fatal(err)
	}
	if again := must[engine.Container](t)(e.Inspect(ctx, name+"-web")); again.ID != first.ID || again.State.Started != first.State.Started {
		t.Error("a second up replaced it")
	}
	logsReal(t, e, name)
	networkReal(t, e, name, first)
	began := time.Now()
	if err := e.Stop(ctx, first.ID, 0); err != nil {
		t.Fatal(err)
	}
	// Engines from 29 on tell the stop first, older ones the death.
	one, other := next(t, events, "die", "stop"), next(t, events, "die", "stop")
	if one.Action == other.Action || one.ExitCode+other.ExitCode != 7 || one.Container != first.ID {
		t.Errorf("%+v, %+v", one, other)
	}
	t.Logf("stopped after %s", time.Since(began))
	if err := e.Remove(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	next(t, events, "destroy")
	replayed, _ := e.Events(ctx, began.Add(-time.Hour), name)
	next(t, replayed, "destroy")
}

func inspectReal(t *testing.T, e *engine.Engine, name string) {
	t.Helper()
	found := must[[]engine.Container](t)(e.Containers(t.Context(), name))
	if len(found) != 2 {
		t.Fatalf("%+v", found)
	}
	c := found[1]
	if c.Name != name+"-web" || c.Service != "platform" || c.Colour != "blue" || c.Version != "1.4" || c.ComposeProject != name || c.StopTimeout != 20*time.Second {
		t.Errorf("%+v", c)
	}
	if c.Environment["A"] != "1=2 $HOME ${SITE_URL}" || c.Addresses[name] == "" || !slices.Contains(c.Aliases[name], "the-platform") {
		t.Errorf("%v %v %v", c.Environment, c.Addresses, c.Aliases)
	}
	if !slices.Equal(c.Mounts, []engine.Mount{{Volume: name, Path: "/data", ReadOnly: true}}) || len(c.Ports) != 1 || c.Ports[0].Host != "127.0.0.1" || c.Ports[0].Container != 80 || c.Ports[0].Public == 0 {
		t.Errorf("%v %v", c.Mounts, c.Ports)
	}
	if s := c.State; !s.Running || s.Status != "running" || s.Health != "unhealthy" || len(s.HealthLog) == 0 || s.Started.IsZero() || !s.Finished.IsZero() {
		t.Errorf("%+v", s)
	}
	used, _, err := e.Memory(t.Context(), c.ID)
	if used <= 0 || used > 1<<30 || err != nil {
		t.Errorf("memory %d, %v", used, err)
	}
}

func execReal(t *testing.T, e *engine.Engine, id string) {
	t.Helper()
	stdout, stderr, code, err := e.Exec(t.Context(), id, []string{"sh", "-c", "cat; echo bad >&2; touch /tmp/ok; exit 5"}, strings.NewReader("input"))
	if stdout != "input" || stderr != "bad\n" || code != 5 || err != nil {
		t.Errorf("%q %q %d %v", stdout, stderr, code, err)
	}
	if stdout, _, code, err = e.Exec(t.Context(), id, []string{"head", "-c", "3000000", "/dev/zero"}, nil); len(stdout) != 1<<20 || code != 0 || err != nil {
		t.Errorf("%d bytes %d %v", len(stdout), code, err)
	}
	for _, absent := range []string{"/none", "none", "./none.sh", "/etc/passwd"} {
		if _, _, code, err = e.Exec(t.Context(), id, []string{absent}, nil); code != exit.NotFound || err != nil {
			t.Errorf("%s: exit code %d, %v", absent, code, err)
		}
	}
	content, err := e.ReadFile(t.Context(), id, "/tmp/file")
	if string(content) != "content\n" || err != nil {
		t.Errorf("%q %v", content, err)
	}
	if _, err = e.ReadFile(t.Context(), id, "/tmp/none"); !engine.IsNotFound(err) {
		t.Error(err)
	}
}

func logsReal(t *testing.T, e *engine.Engine, name string) {
	t.Helper()
	lines := map[string][]string{}
	for _, part := range []string{"web", "terminal"} {
		for line, err := range e.Logs(t.Context(), name+"-"+part, engine.LogOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if time.Since(line.Time) > 5*time.Minute {
				t.Errorf("%+v", line)
			}
			stream := part
			if line.Stderr {
				stream += "!"
			}
			lines[stream] = append(lines[stream], line.Text)
		}
	}
	want := map[string][]string{"web": {"out", strings.Repeat("x", 50000)}, "web!": {"err"}, "terminal": {"one", "two"}}
	for stream, texts := range want {
		if !slices.Equal(lines[stream], texts) {
			t.Errorf("%s: %.200q", stream, lines[stream])
		}
	}
	for line := range e.Logs(t.Context(), name+"-web", engine.LogOptions{Follow: true}) {
		if len(line.Text) == 50000 {
			break
		}
	}
}

func networkReal(t *testing.T, e *engine.Engine, name string, c engine.Container) {
	t.Helper()
	ctx := t.Context()
	if err := errors.Join(e.Disconnect(ctx, name, c.ID), e.Disconnect(ctx, name, c.ID)); err != nil {
		t.Fatal(err)
	}
	if n, found, err := e.Network(ctx, name); !found || err != nil || n.Containers != 0 || n.Labels["project"] != name {
		t.Errorf("%+v %v %v", n, found, err)
	}
	if err := e.Join(ctx, name, c.ID, "again"); err != nil {
		t.Fatal(err)
	}
	if now := must[engine.Container](t)(e.Inspect(ctx, c.ID)); !slices.Contains(now.Aliases[name], "again") || now.Addresses[name] == "" {
		t.Errorf("%v %v", now.Aliases, now.Addresses)
	}
	if err := e.RemoveVolume(ctx, name); !engine.IsConflict(err) {
		t.Errorf("a volume in use: %v", err)
	}
	if err := e.Remove(ctx, c.ID); !engine.IsConflict(err) {
		t.Errorf("a running container: %v", err)
	}
}

func TestRealUpFails(t *testing.T) {
	e, image, name := real(t, engine.Options{})
	ctx := t.Context()
	if err := errors.Join(e.CreateNetwork(ctx, name, nil), e.CreateVolume(ctx, name, nil)); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(t.TempDir(), "file.yml"), fmt.Sprintf(realFile, name, image))
	err := e.Up(ctx, engine.UpOptions{Project: name, File: path, Services: []string{"absent"}})
	testkit.WantError(t, err, exit.Failure, "cannot create absent", name+"/none:1")
	err = e.Up(ctx, engine.UpOptions{Project: name, File: path, Services: []string{"nobody"}})
	testkit.WantError(t, err, exit.Failure, "no such service: nobody")
	dead := connect(t, engine.Options{Host: "unix:///var/run/docker.sock", Environ: config.Environ{"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME")}})
	interrupted, cancel := context.WithCancel(ctx)
	cancel()
	if err := dead.Up(interrupted, engine.UpOptions{Project: name, File: path, Services: []string{"platform"}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// holder takes a lock over DOCKER_HOST, says so, and stays.
func holder() int {
	e, err := engine.Connect(context.Background(), engine.Options{Self: os.Getenv("SELF")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	held, err := e.HoldLock(context.Background(), os.Args[1], map[string]string{"who": "the holder"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	<-held.Done()
	fmt.Println("lost")
	return 0
}

// startHolder returns when another process holds the lock.
func startHolder(t *testing.T, host, self, name string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	command := exec.Command(os.Args[0], name)
	command.Env = append(os.Environ(), testkit.RoleVariable+"=holder", "DOCKER_HOST="+host, "SELF="+self)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	said := bufio.NewScanner(out)
	if !said.Scan() || said.Text() != "held" {
		t.Fatalf("the holder says %q", said.Text())
	}
	return command, said
}

// TestRealLockEndsWithItsHolder ends a lock in each way that there is.
func TestRealLockEndsWithItsHolder(t *testing.T) {
	testkit.EngineImage(t)
	self := testkit.BuildWithoutCgo(t, "./testdata/helper")
	e, _, name := real(t, engine.Options{Self: self})
	const socket = "/var/run/docker.sock"
	for how, limit := range map[string]time.Duration{"killed": 2 * time.Second, "killed, over TCP": 2 * time.Second, "cut": 2 * time.Second, "silent": 30 * time.Second} {
		host, way := "unix://"+socket, newProxy(t, socket)
		if how != "killed" {
			host = "tcp://" + way.Addr().String()
		}
		command, said := startHolder(t, host, self, name)
		_, err := e.HoldLock(t.Context(), name, nil)
		if held, ok := errors.AsType[*engine.HeldError](err); !ok || held.Labels["who"] != "the holder" || time.Since(held.Since) > time.Minute {
			t.Fatalf("%s: %v", how, err)
		}
		began := time.Now()
		switch how {
		case "cut":
			way.Cut()
		case "silent":
			way.Mute()
		default:
			_ = command.Process.Kill()
		}
		if how == "cut" && (!said.Scan() || said.Text() != "lost") {
			t.Errorf("%s: the holder does not notice: %q", how, said.Text())
		}
		testkit.Eventually(t, how+": the lock is free", func() bool {
			again, err := e.HoldLock(t.Context(), name, nil)
			if err == nil {
				again.Release()
			}
			return err == nil
		})
		took := time.Since(began)
		t.Logf("%s: free, taken and released after %s", how, took)
		if took > limit {
			t.Errorf("%s: more than %s", how, limit)
		}
		_ = command.Process.Kill()
	}
	image := must[string](t)(e.ImportHelper(t.Context()))
	if err := e.RemoveImage(t.Context(), image); err != nil {
		t.Error(err)
	}
}

// TestRealLockIsKept holds one for longer than a holder may be silent.
func TestRealLockIsKept(t *testing.T) {
	testkit.EngineImage(t)
	e, _, name := real(t, engine.Options{Self: testkit.BuildWithoutCgo(t, "./testdata/helper")})
	held := must[*engine.Hold](t)(e.HoldLock(t.Context(), name, nil))
	select {
	case <-held.Done():
		t.Error("lost")
	case <-time.After(25 * time.Second):
	}
	held.Release()
	if err := e.RemoveImage(t.Context(), must[string](t)(e.ImportHelper(t.Context()))); err != nil {
		t.Error(err)
	}
}

func TestRealDiskByHelper(t *testing.T) {
	testkit.EngineImage(t)
	self := testkit.BuildWithoutCgo(t, "./testdata/helper")
	e, _, _ := real(t, engine.Options{Self: self})
	far := newProxy(t, "/var/run/docker.sock")
	remote := connect(t, engine.Options{Host: "tcp://" + far.Addr().String(), Self: self})
	_, total, err := e.DiskFree(t.Context())
	_, farTotal, farErr := remote.DiskFree(t.Context())
	if err != nil || farErr != nil || total != farTotal || total == 0 {
		t.Errorf("%d, %v; by the helper %d, %v", total, err, farTotal, farErr)
	}
	err = e.RunHelper(t.Context(), engine.HelperOptions{Args: []string{"free", "/none"}}, func(line string) { t.Errorf("it prints %q", line) })
	testkit.WantError(t, err, exit.Failure, "cannot measure the disk of /none: no such file")
	image := must[string](t)(e.ImportHelper(t.Context()))
	if err := e.RemoveImage(t.Context(), image); err != nil {
		t.Error(err)
	}
}

// A program that the kernel cannot run in a container, as one that is linked with
// libraries: the engine is well, and is not said to be away.
func TestRealLockOfAProgramThatDoesNotRun(t *testing.T) {
	e, _, name := real(t, engine.Options{Self: write(t, filepath.Join(t.TempDir(), "tale"), "#!/nowhere\n")})
	if _, err := e.HoldLock(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), "without cgo") {
		t.Error(err)
	}
	testkit.Eventually(t, "the engine has removed the helper", func() bool {
		_, err := e.Inspect(t.Context(), name+"-tale-lock")
		return engine.IsNotFound(err)
	})
}
