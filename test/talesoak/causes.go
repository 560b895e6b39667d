package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// mishapsOfReleases returns those of a new colour.
func mishapsOfReleases() []mishap {
	ends := func(code, want int, more ...string) mishap {
		return mishap{name: fmt.Sprintf("green: ends with %d", code), lines: fmt.Sprintf(`ENTRYPOINT ["/bin/sh", "-c", "echo this is why; exit %d"]`, code),
			code: want, says: append(more, "platform-green did not become ready", fmt.Sprintf("exit code %d", code), "this is why", "fix ", "was not touched", "evidence")}
	}
	stuck := func(stage, path string) mishap {
		return mishap{name: "green: hangs in the stage " + stage, lines: "# as it is", cause: hanging(path), code: exit.Failure,
			says: []string{"still not ready: its boot is at " + stage + " (", "--timeout", "was not touched"}}
	}
	return []mishap{
		ends(exit.DeployRefused, exit.DeployRefused, "would not mend"), ends(exit.NoPermission, exit.Failure, "would not mend"), ends(exit.Config, exit.Failure, "would not mend"),
		ends(exit.Unavailable, exit.Failure, "3 times"), ends(exit.Temporary, exit.Failure, "3 times"), ends(1, exit.Failure, "3 times"), ends(0, exit.Failure, "3 times"),
		{name: "green: out of memory", lines: `ENTRYPOINT ["/bin/sh", "-c", "head -c 200m /dev/zero | tail"]`, files: override("mem_limit: 48m, memswap_limit: 48m"),
			code: exit.Failure, says: []string{"out of memory", "more memory", "was not touched"}},
		{name: "green: a setting that it refuses", lines: "ENV CONVEX_WAIT_TIMEOUT=none", code: exit.Failure, says: []string{"CONVEX_WAIT_TIMEOUT", "exit code 78", "fix"}},
		{name: "green: nothing to run", lines: `ENTRYPOINT ["/nowhere"]`, code: exit.Failure, says: []string{"/nowhere", "was not touched"}},
		{name: "green: a health check that fails", lines: `ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]` + "\nLABEL org.opencontainers.image.source=elsewhere\nUSER root\nRUN rm $(command -v platform-entrypoint)",
			files: override(`healthcheck: {test: ["CMD-SHELL", "echo not well; exit 1"], interval: 1s, retries: 1, start_period: 1ms}`), code: exit.Failure, says: []string{"its health check fails", "not well"}},
		stuck("wait", "^/(version|instance)"), stuck("auth", "check_admin_key"), stuck("env", "environment_variables"), stuck("deploy", "deploy2|config_hashes"),
		{name: "green: hangs in the stage ready", lines: "USER root\nRUN echo 'setInterval(() => {}, 1000)' > server.ts\nUSER 1001:1001", code: exit.Failure, says: []string{"still not ready: its boot is at ready (", "--timeout", "the functions of version", "platform-entrypoint push"}},
	}
}

// hanging lets the new release reach the backend through a way on which some requests are
// never answered.
func hanging(path string) func(context.Context, *stack) (func() error, error) {
	return func(ctx context.Context, s *stack) (func() error, error) {
		gateway, err := docker(ctx, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge")
		if err != nil {
			return nil, err
		}
		backend, err := docker(ctx, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", s.id+"-convex")
		if err != nil {
			return nil, err
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(strings.TrimSpace(gateway), "0"))
		if err != nil {
			return nil, err
		}
		through := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: net.JoinHostPort(strings.TrimSpace(backend), "3210")})
		hold := regexp.MustCompile(path)
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hold.MatchString(r.URL.Path) {
				<-r.Context().Done()
				return
			}
			through.ServeHTTP(w, r)
		})}
		go func() { _ = server.Serve(listener) }()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		text := override("environment: {CONVEX_URL: 'http://host.docker.internal:" + port + "'}")["compose.override.yml"]
		return server.Close, os.WriteFile(filepath.Join(s.dir, "compose.override.yml"), []byte(text), 0o600)
	}
}

// mishapsOfRegistries returns those of where images come from.
func mishapsOfRegistries() []mishap {
	from := func(name string, code int, says []string, answer http.HandlerFunc) mishap {
		return mishap{name: "registry: " + name, cause: registry(answer), code: code, says: append(says, "/shop:1")}
	}
	refuses := func(name string, status, code int, word string, says ...string) mishap {
		return from(name, code, says, func(w http.ResponseWriter, r *http.Request) {
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="soak"`)
			} else if r.URL.Path == "/v2/" {
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":"%s","message":"%s"}]}`, word, strings.ToLower(word))
		})
	}
	const manifests = "application/vnd.docker.distribution.manifest.list.v2+json"
	return []mishap{
		refuses("no such image", http.StatusNotFound, exit.Config, "MANIFEST_UNKNOWN", "404", "check the version"),
		refuses("no login", http.StatusUnauthorized, exit.NoPermission, "UNAUTHORIZED", "401", "docker login 127.0.0.1"),
		refuses("no permission", http.StatusForbidden, exit.NoPermission, "DENIED", "403", "docker login 127.0.0.1"),
		refuses("too many requests", http.StatusTooManyRequests, exit.Unavailable, "TOOMANYREQUESTS", "429", "wait"),
		refuses("it fails", http.StatusInternalServerError, exit.Unavailable, "UNKNOWN", "cannot get"),
		from("made for another machine", exit.Config, []string{"is not there for linux/", "linux/riscv64"}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", manifests)
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":9,"digest":"sha256:%s","platform":{"os":"linux","architecture":"riscv64"}}]}`, manifests, strings.Repeat("1", 64))
		}),
		{name: "registry: nothing listens", cause: images("127.0.0.1:1/shop:1"), code: exit.Unavailable, says: []string{"127.0.0.1:1/shop:1", "refused", "reach"}},
		{name: "registry: its name is not known", cause: images("registry.invalid/shop:1"), code: exit.Unavailable, says: []string{"registry.invalid/shop:1", "reach"}},
		{name: "image: made for another machine, and here", cause: foreignImage, args: []string{"deploy", "--timeout", hangs}, code: exit.Failure, says: []string{"is made for linux/arm64", "docker pull --platform linux/"}},
	}
}

// images makes the project use an image.
func images(reference string) func(context.Context, *stack) (func() error, error) {
	return func(_ context.Context, s *stack) (func() error, error) {
		text := fmt.Sprintf(`{"version": 1, "id": %q, "services": ["%s"], "images": {"platform": %q}}`, s.id, strings.Join(services, `","`), reference)
		return func() error { return nil }, os.WriteFile(filepath.Join(s.dir, "tale.json"), []byte(text), 0o600)
	}
}

func registry(answer http.HandlerFunc) func(context.Context, *stack) (func() error, error) {
	return func(ctx context.Context, s *stack) (func() error, error) {
		server := httptest.NewServer(answer)
		_, err := images(strings.TrimPrefix(server.URL, "http://")+"/shop:1")(ctx, s)
		return func() error { server.Close(); return nil }, err
	}
}

func foreignImage(ctx context.Context, s *stack) (func() error, error) {
	const name = prefix + "/foreign-arm64:1"
	build := exec.CommandContext(ctx, "docker", "build", "-q", "--platform", "linux/arm64", "-t", name, "-")
	build.Stdin = strings.NewReader("FROM scratch\nWORKDIR /nowhere\nENTRYPOINT [\"/nothing\"]\n")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("docker build: %w: %s", err, out)
	}
	return images(name)(ctx, s)
}

// mishapsOfTheHost returns those of the engine, the network and what else is on the host.
func mishapsOfTheHost() []mishap {
	return []mishap{
		{name: "host: a port is taken", fresh: true, cause: takenPort, args: []string{"deploy", "--yes"}, code: exit.Config, says: []string{"is taken by another program", "PUBLISH_HTTPS", "ss -ltnp"}},
		{name: "host: a volume of another project", fresh: true, cause: made("volume", "create", "--label", "com.docker.compose.project=other", otherProject+"_db-data"),
			args: []string{"deploy", "--yes"}, code: exit.Config, says: []string{otherProject + "_db-data", `of the project "other"`, "rename"}},
		{name: "host: a container of another project", fresh: true, cause: made("create", "--name", otherProject+"-db", fmt.Sprintf(base, "db")),
			args: []string{"deploy", "--yes"}, code: exit.Config, says: []string{otherProject + "-db", "not of this project", "rename or remove"}},
		{name: "host: the proxy does not run", cause: made("stop", project+"-proxy"), args: []string{"deploy"}, code: 0, says: []string{"proxy", "is started"}, seen: true},
		{name: "host: the proxy is frozen", lines: "# as it is", cause: during([]string{"pause", project + "-proxy"}, []string{"unpause", project + "-proxy"}), code: exit.Failure,
			says: []string{"proxy", "paused", "docker unpause", "nothing was changed"}, seen: true},
		{name: "host: the public name leads nowhere", fresh: true, env: appended("HOST=nowhere.invalid\nSITE_URL=https://nowhere.invalid"), args: []string{"doctor"}, says: []string{"cannot resolve nowhere.invalid", "a DNS record"}},
		{name: "host: no certificate", fresh: true, env: appended("TLS_MODE=letsencrypt\nTLS_EMAIL=soak@example.com\nACME_DIRECTORY=https://127.0.0.1:1/directory"),
			args: []string{"deploy", "--yes", "--timeout", "20s"}, code: exit.Degraded, says: []string{"does not answer", "certificate", "tale logs proxy", "stay so"}},
		{name: "host: the network is gone", cause: noNetwork, args: []string{"deploy", "--yes"}, code: 0, says: []string{"the network " + project + "_internal is gone", "rotates to"}, seen: true},
		{name: "host: no engine", shell: []string{"DOCKER_HOST=unix:///nowhere.sock"}, code: exit.Unavailable, says: []string{"/nowhere.sock", "DOCKER_HOST", "is it running"}},
		{name: "host: an engine over a way that is cut", shell: []string{"DOCKER_HOST=tcp://127.0.0.1:1"}, code: exit.Unavailable, says: []string{"127.0.0.1:1", "DOCKER_HOST"}},
		{name: "host: no permission for the engine", cause: ownedBy("65534"), as: []string{"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, shell: []string{"HOME=/nowhere"}, code: exit.NoPermission, says: []string{"usermod -aG docker"}},
		{name: "host: no compose plugin", lines: "# as it is", shell: []string{"HOME=/nowhere"}, code: exit.Unavailable, says: []string{"compose plugin", "docker-compose-plugin"}},
		{name: "host: an old compose plugin", lines: "# as it is", cause: oldPlugin, shell: []string{"DOCKER_CONFIG=" + filepath.Join(os.TempDir(), prefix+"-plugins")}, code: exit.Config, says: []string{"2.10.0", "2.20", "docker-compose-plugin"}},
		{name: "host: another command holds the lock", cause: locked, code: exit.Temporary, says: []string{"is locked by", "--wait"}},
	}
}

// badInput returns what an operator gets wrong.
func badInput() []mishap {
	refused := func(name string, code int, args []string, says ...string) mishap {
		return mishap{name: "input: " + name, args: args, code: code, says: says}
	}
	return []mishap{
		refused("no project", exit.Config, []string{"deploy", "--project", os.TempDir()}, "no tale.json", "tale init", "--project"),
		{name: "input: a version that no registry can be asked for", env: appended("TALE_REGISTRY=127.0.0.1:1"), args: []string{"deploy", "--version", "9.9.9"}, code: exit.Unavailable, says: []string{"tale-platform:9.9.9", "reach 127.0.0.1:1"}},
		refused("a version that is none", exit.Usage, []string{"deploy", "--version", "9 9"}, "9 9", "--version"),
		refused("an unknown service", exit.Usage, []string{"deploy", "--services", "web"}, "web", "platform"),
		refused("a service of which there is one", exit.Usage, []string{"deploy", "--services", "db"}, "db", "--all"),
		refused("a service that the project does without", exit.Usage, []string{"deploy", "--services", "rag"}, "rag", "tale.json"),
		refused("flags that exclude each other", exit.Usage, []string{"deploy", "--all", "--services", "platform"}, "exclude"),
		refused("an unknown flag", exit.Usage, []string{"deploy", "--vresion", "1"}, "--vresion", "--help"),
		refused("an unknown command", exit.Usage, []string{"depoly"}, "depoly", "deploy"),
		{name: "input: nothing to go back to", fresh: true, args: []string{"rollback"}, code: exit.Failure, says: []string{"no earlier release", "tale history"}},
		{name: "input: a release that never was", env: appended("TALE_REGISTRY=127.0.0.1:1"), args: []string{"rollback", "--version", "9.9.9"}, code: exit.Unavailable, says: []string{"tale-platform:9.9.9", "reach 127.0.0.1:1"}},
		refused("a reset without a terminal", exit.Usage, []string{"reset"}, "without a terminal", "--yes"),
		refused("volumes without the project's name", exit.Usage, []string{"reset", "--force", "--all", "--volumes"}, "--project-name"),
		refused("the logs of an unknown service", exit.Usage, []string{"logs", "web"}, "web", "platform"),
		refused("a time that is none", exit.Usage, []string{"logs", "--since", "yesterdayish"}, "yesterdayish"),
		{name: "input: another password than the database has", env: appended("DB_PASSWORD=another"), code: exit.Config, says: []string{"DB_PASSWORD", "in the volume of db", "psql"}},
		{name: "input: a question without a terminal", env: appended("TLS_MODE=external"), code: exit.Usage, says: []string{"without a terminal", "--yes", "proxy"}},
	}
}

func made(args ...string) func(context.Context, *stack) (func() error, error) {
	return func(ctx context.Context, s *stack) (func() error, error) {
		_, err := docker(ctx, args...)
		return func() error { cleanOf(ctx, otherProject); return nil }, err
	}
}

func during(do, undo []string) func(context.Context, *stack) (func() error, error) {
	return func(ctx context.Context, _ *stack) (func() error, error) {
		_, err := docker(ctx, do...)
		return func() error { _, err := docker(ctx, undo...); return err }, err
	}
}

func takenPort(ctx context.Context, s *stack) (func() error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	text, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	return listener.Close, errors.Join(err, os.WriteFile(filepath.Join(s.dir, ".env"), append(text, "PUBLISH_HTTPS="+port+"\n"...), 0o600))
}

func noNetwork(ctx context.Context, s *stack) (func() error, error) {
	all, err := containers(ctx, s.id)
	for _, c := range all {
		_, _ = docker(ctx, "network", "disconnect", "-f", s.id+"_internal", c.ID) // one that has failed is in none
	}
	_, wrong := docker(ctx, "network", "rm", s.id+"_internal")
	return func() error { return nil }, errors.Join(err, wrong)
}

func ownedBy(user string) func(context.Context, *stack) (func() error, error) {
	return func(ctx context.Context, s *stack) (func() error, error) {
		return func() error { return exec.CommandContext(ctx, "chown", "-R", "0:0", s.dir).Run() }, exec.CommandContext(ctx, "chown", "-R", user, s.dir).Run()
	}
}

// oldPlugin puts a compose plugin of long ago where it is looked for.
func oldPlugin(context.Context, *stack) (func() error, error) {
	dir := filepath.Join(os.TempDir(), prefix+"-plugins")
	plugins := filepath.Join(dir, "cli-plugins")
	script := "#!/bin/sh\n" + `case $1 in docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0","Vendor":"x","Version":"v2.10.0"}';; *) echo 2.10.0;; esac` + "\n"
	return func() error { return os.RemoveAll(dir) },
		errors.Join(os.MkdirAll(plugins, 0o755), os.WriteFile(filepath.Join(plugins, "docker-compose"), []byte(script), 0o755))
}

// locked lets another run wait for the operator's consent, or for a green that hangs.
func locked(ctx context.Context, s *stack) (func() error, error) {
	const version = "1.0.999"
	if err := image(ctx, "platform", version, `ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]`); err != nil {
		return nil, err
	}
	r, err := s.start(ctx, "deploy", "--version", version, "--timeout", "30s")
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if out, _ := docker(ctx, "ps", "-q", "--filter", "name="+s.id+"-tale-lock"); out != "" {
			break
		}
	}
	return func() error {
		_ = r.command.Process.Signal(os.Interrupt)
		if code := r.code(); code != exit.Interrupted {
			return fmt.Errorf("the other run ended with %d: %s", code, r.said.String())
		}
		return nil
	}, nil
}
