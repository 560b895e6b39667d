package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	// prefix begins the name of everything that this program makes.
	prefix  = "talesoak"
	project = prefix + "-000001"
	// otherProject runs nothing most of the time.
	otherProject = prefix + "-000002"
	hostname     = "tale.local"
	// base are the images of the end-to-end test.
	base = "tale-e2e/tale-%s:e2e"
	// older and newer are the releases that are switched between.
	older, newer = "1.0.0", "1.0.1"
)

var services = []string{"db", "convex", "platform", "proxy"}

// The guestbook's own server stops as docs/operations.md says one should; the image that
// is there may be older.
var (
	//go:embed image/soak.ts
	preload string
	//go:embed image/bunfig.toml
	preloaded string
)

// stack is a project in a folder and in the engine.
type stack struct {
	figures
	options
	engine        *ownEngine // nil: that of others, which is left alone
	id, dir, site string
	https         int
	through       []string // the command that runs tale
	shell         []string // NAME=VALUE, beside PATH and HOME
}

// newStack makes the images and the project's files.
func newStack(ctx context.Context, o options, own *ownEngine) (*stack, error) {
	path, err := filepath.Abs(o.tale)
	if err != nil {
		return nil, err
	}
	o.tale = path
	for _, version := range []string{older, newer} {
		for _, service := range services {
			if err := image(ctx, service, version, ""); err != nil {
				return nil, err
			}
		}
	}
	s := &stack{options: o, engine: own}
	if own != nil { // the site is to be seen from where tale runs
		s.through, s.shell = []string{"nsenter", "-t", strconv.Itoa(own.holder), "-n"}, []string{"DOCKER_HOST=" + own.host()}
	}
	return s.another(project)
}

// another makes a project beside this one, with the same images.
func (s *stack) another(id string) (*stack, error) {
	dir, err := os.MkdirTemp("", prefix+"-")
	if err != nil {
		return nil, err
	}
	http, err := freeport.Find()
	https, wrong := freeport.Find()
	if err = errors.Join(err, wrong); err != nil {
		return nil, err
	}
	p := &stack{options: s.options, engine: s.engine, through: s.through, shell: s.shell, id: id, dir: dir, https: https, site: "https://" + net.JoinHostPort(hostname, strconv.Itoa(https))}
	return p, errors.Join(
		os.WriteFile(filepath.Join(dir, "tale.json"), []byte(fmt.Sprintf(`{"version": 1, "id": %q, "services": ["%s"]}`, p.id, strings.Join(services, `","`))), 0o600),
		os.WriteFile(filepath.Join(dir, ".env"), []byte(p.settings(http)), 0o600),
	)
}

func (s *stack) settings(http int) string {
	number := strings.Repeat("0123456789abcdef", 4)
	return strings.Join([]string{
		"HOST=" + hostname, "SITE_URL=" + s.site, "TLS_MODE=selfsigned", fmt.Sprintf("PUBLISH_HTTP=%d", http), fmt.Sprintf("PUBLISH_HTTPS=%d", s.https),
		"TALE_REGISTRY=" + prefix, "TALE_VERSION=" + older, "DB_PASSWORD=not-a-secret", "INSTANCE_SECRET=" + number,
		"BETTER_AUTH_SECRET=" + number, "ENCRYPTION_SECRET_HEX=" + number, "METRICS_BEARER_TOKEN=not-a-secret", "",
	}, "\n")
}

// image makes a version of a service's image, with more lines of a Dockerfile.
func image(ctx context.Context, service, version, more string) error {
	dir, err := os.MkdirTemp("", prefix+"-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := "FROM " + fmt.Sprintf(base, service) + "\nENV TALE_VERSION=" + version + "\nLABEL org.opencontainers.image.version=" + version + "\n"
	if service == "platform" {
		file += "COPY soak.ts bunfig.toml ./\n"
	}
	// Readable for the user that the application runs as.
	for name, text := range map[string]string{"Dockerfile": file + more, "soak.ts": preload, "bunfig.toml": preloaded} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err = docker(ctx, "build", "-q", "-t", fmt.Sprintf("%s/tale-%s:%s", prefix, service, version), dir)
	return err
}

// remove is for the end, whatever became of the context.
func (s *stack) remove() {
	_ = os.RemoveAll(s.dir)
	if s.engine != nil {
		if err := s.engine.remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	clean(ctx)
}

// clean removes from the engine everything that begins with the prefix.
func clean(ctx context.Context) { cleanOf(ctx, prefix) }

func cleanOf(ctx context.Context, prefix string) {
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "-a", "--format", "{{.Names}}"}, []string{"rm", "-fv"}},
		{[]string{"volume", "ls", "--format", "{{.Name}}"}, []string{"volume", "rm"}},
		{[]string{"network", "ls", "--format", "{{.Name}}"}, []string{"network", "rm"}},
		{[]string{"images", "--format", "{{.Repository}}:{{.Tag}}"}, []string{"rmi", "-f"}},
	} {
		out, _ := docker(ctx, kind.list...)
		names := slices.DeleteFunc(strings.Fields(out), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		if len(names) > 0 {
			if _, err := docker(ctx, append(kind.remove, names...)...); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
}

// alone keeps other runs out, which would remove what this one makes: the names are the same.
func alone() (release func(), err error) {
	path := filepath.Join(os.TempDir(), prefix+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another talesoak runs on this machine (cannot lock %s: %w)", path, err)
	}
	return func() { _ = file.Close() }, nil
}

// guard starts a process of its own that cleans the engine when this one is gone.
func guard() (release func(), err error) {
	guardian := exec.Command(os.Args[0], "clean") //nolint:noctx // It outlives every context of this process.
	guardian.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := guardian.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := guardian.Start(); err != nil {
		return nil, err
	}
	return func() {
		_, _ = io.WriteString(alive, "done")
		_ = alive.Close()
		_ = guardian.Wait()
	}, nil
}

// cleanAtEnd waits for the end of the process that guard was called in: where stdin ends
// without a word, that was killed, and what it made is removed.
func cleanAtEnd(stdin io.Reader) error {
	if said, err := io.ReadAll(stdin); err != nil || len(said) > 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	clean(ctx)
	wrong := (&ownEngine{dir: filepath.Join(os.TempDir(), engineDir)}).remove()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"-*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(wrong, err)
}

// docker runs the docker command and returns what it prints.
func docker(ctx context.Context, args ...string) (string, error) {
	if host, other := ctx.Value(hostKey{}).(string); other {
		args = append([]string{"-H", host}, args...)
	}
	command := exec.CommandContext(ctx, "docker", args...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// container is what docker inspect says.
type container struct {
	ID, Name, Image string
	State           struct {
		Status                string
		StartedAt, FinishedAt time.Time
	}
	Config struct {
		Image  string
		Labels map[string]string
	}
}

func (c container) version() string { return c.Config.Labels[engine.LabelImageVersion] }

// containers returns those of a project's compose projects, by name.
func containers(ctx context.Context, id string) (map[string]container, error) {
	found := map[string]container{}
	var ids []string
	for _, part := range []string{"", "-blue", "-green"} {
		out, err := docker(ctx, "ps", "-aq", "--no-trunc", "--filter", "label=com.docker.compose.project="+id+part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, strings.Fields(out)...)
	}
	if len(ids) == 0 {
		return found, nil
	}
	text, err := docker(ctx, append([]string{"inspect"}, ids...)...)
	if err != nil {
		return nil, err
	}
	var list []container
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	for _, c := range list {
		c.Name = strings.TrimPrefix(c.Name, "/")
		found[c.Name] = c
	}
	return found, nil
}
