package engine

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	// oldestCompose understands all that our files say.
	oldestCompose = "2.20"
	// upLimit includes the grace periods of containers that are replaced.
	upLimit = 10 * time.Minute
	// interruptGrace is how long compose may take to leave its containers whole.
	interruptGrace = 5 * time.Second
	// mostWords is how many of compose's last lines an error has.
	mostWords = 12
)

// UpOptions say what is to be created, and from what.
type UpOptions struct {
	Project  string // compose project
	File     string
	Services []string
	// Recreate replaces containers that are as the file says; without it, only those
	// that differ.
	Recreate bool
}

// Up creates and starts containers with the compose plugin. It waits for none to be
// healthy. Nothing is built or pulled, and no variable of the shell reaches the file.
func (e *Engine) Up(ctx context.Context, o UpOptions) error {
	args := []string{"compose", "--ansi", "never", "--progress", "plain", "--env-file", os.DevNull, "-p", o.Project, "-f", o.File,
		"up", "--detach", "--no-deps", "--no-build", "--pull", "never"}
	if o.Recreate {
		args = append(args, "--force-recreate")
	}
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	words, err := e.docker(ctx, append(args, o.Services...))
	what := fmt.Sprintf("create %s", strings.Join(o.Services, ", "))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return e.failed(ctx, what, ctx.Err())
	case hasAny(words, "Cannot connect to the Docker daemon", "error during connect"):
		return exit.Errorf(exit.Unavailable, "cannot %s: docker compose says: %s", what, words)
	case words == "":
		return fmt.Errorf("cannot %s: docker compose: %w", what, err)
	}
	return fmt.Errorf("cannot %s: docker compose says: %s%s", what, words, mends(words))
}

// mends says what to do about the engine's words that compose passes on, where that is known.
func mends(words string) string {
	switch {
	case strings.Contains(words, portAllocated):
		return "; " + portLost
	case unfitLogging(words):
		return "; " + fitLogging
	case strings.Contains(words, noSpace):
		return "; the engine's disk is full: " + makeRoom
	}
	return ""
}

// ComposeVersion returns the version of the compose plugin, or how to install one.
func (e *Engine) ComposeVersion(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command := e.command(ctx, "compose", "version", "--short")
	out, err := command.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return "", exit.Errorf(exit.Unavailable, "the docker command is not installed here: %s", install("docker-ce-cli docker-compose-plugin"))
	case ctx.Err() != nil:
		return "", e.failed(ctx, "ask the compose plugin for its version", ctx.Err())
	case err != nil:
		return "", exit.Errorf(exit.Unavailable, "the docker command has no compose plugin: %s", install("docker-compose-plugin"))
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
	if older(version, oldestCompose) {
		return version, exit.Errorf(exit.Config, "the compose plugin is %s, and tale needs %s or newer: %s", version, oldestCompose, install("docker-compose-plugin"))
	}
	return version, nil
}

// ContainersProxy returns the proxy for HTTP that the compose plugin puts into the environment of
// containers, "" for none, and the hosts that are asked without it.
func (e *Engine) ContainersProxy() (proxy string, without []string) {
	set := e.logins.ParseProxyConfig(e.host, nil)
	value := func(name string) string { return *cmp.Or(set[name], new(string)) }
	return cmp.Or(value("HTTP_PROXY"), value("ALL_PROXY")), strings.FieldsFunc(value("NO_PROXY"), func(r rune) bool { return r == ',' || r == ' ' })
}

// command runs the docker command against this engine. Of the shell's variables it gets
// those that the engine's address, the login and ssh need, and not the platform that is
// preferred for builds: the platform of each image has been checked before.
func (e *Engine) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, cmp.Or(e.options.Docker, "docker"), args...)
	command.Env = []string{}
	for name, value := range e.options.Environ {
		switch {
		case name == "DOCKER_HOST" || name == "DOCKER_DEFAULT_PLATFORM" || name == "DOCKER_CONTEXT" && e.options.Host != "":
		case strings.HasPrefix(name, "DOCKER_"), name == "PATH", name == "HOME", name == "USER", name == "TMPDIR", name == "XDG_RUNTIME_DIR", name == "SSH_AUTH_SOCK":
			command.Env = append(command.Env, name+"="+value)
		}
	}
	if host := cmp.Or(e.options.Host, e.options.Environ["DOCKER_HOST"]); host != "" {
		command.Env = append(command.Env, "DOCKER_HOST="+host)
	}
	ownGroup(command)
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = interruptGrace
	return command
}

// docker runs it to its end, and returns its last words without the news of progress.
func (e *Engine) docker(ctx context.Context, args []string) (words string, err error) {
	command := e.command(ctx, args...)
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer reader.Close()
	command.Stdout, command.Stderr = writer, writer
	err = command.Start()
	_ = writer.Close()
	if err != nil {
		return "", err
	}
	defer func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }()
	last := make(chan string, 1)
	go func() { last <- lastWords(reader) }()
	err = command.Wait()
	_ = reader.SetReadDeadline(time.Now().Add(interruptGrace)) // a grandchild may hold the pipe
	return <-last, err
}

// news is what compose says of each step that goes well.
var news = regexp.MustCompile(`^ *(Container|Network|Volume|Image|Service) \S+ +(Creating|Created|Starting|Started|Recreate|Recreated|Running|Waiting|Healthy|Stopping|Stopped|Removing|Removed) *$`)

func lastWords(from io.Reader) string {
	var last []string
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := strings.TrimRight(lines.Text(), " \r"); line != "" && !news.MatchString(line) {
			// Of a step that fails it says the engine's words twice.
			last = slices.DeleteFunc(last, func(before string) bool { return strings.HasSuffix(before, line) })
			last = append(last, line)
			last = last[max(0, len(last)-mostWords):]
		}
	}
	return strings.Join(last, "\n")
}

// install returns the command that installs Docker's packages on this host.
func install(packages string) string {
	for _, manager := range []string{"apt-get", "dnf"} {
		if _, err := exec.LookPath(manager); err == nil {
			return fmt.Sprintf("`sudo %s install %s` (Docker's own packages: https://docs.docker.com/engine/install)", manager, packages)
		}
	}
	return "https://docs.docker.com/compose/install says how"
}
