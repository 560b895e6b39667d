package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	dockerRole      = "docker"
	labelConfigHash = "com.docker.compose.config-hash"
)

// Main belongs into TestMain of packages whose tests use Docker; programs are the roles
// that their test binary plays besides, as in testkit.Main.
func Main(m *testing.M, programs ...map[string]func() int) int {
	all := map[string]func() int{dockerRole: docker}
	for _, more := range programs {
		maps.Copy(all, more)
	}
	return testkit.Main(m, all)
}

// Docker returns the path of a docker command whose compose plugin makes containers in
// this engine. It is the test binary, so its TestMain must run Main.
func (s *Server) Docker(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker")
	version := "echo " + s.Compose
	if s.Compose == "" {
		version = "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1"
	}
	script := fmt.Sprintf("#!/bin/sh\n[ \"$2\" != version ] || { %s; exit; }\n%s=%s exec '%s' \"$@\"\n", version, testkit.RoleVariable, dockerRole, os.Args[0])
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// DockerInPath makes Docker's the docker command of this process.
func (s *Server) DockerInPath(t testing.TB) {
	t.Setenv("PATH", filepath.Dir(s.Docker(t))+":"+os.Getenv("PATH"))
}

func docker() int {
	if err := up(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, strings.TrimSpace(err.Error()))
		return 1
	}
	return 0
}

// up does what `docker compose up --detach --no-deps --pull never` does.
func up(ctx context.Context, args []string) error {
	var project, file string
	var services []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-p":
			project, i = args[i+1], i+1
		case arg == "-f":
			file, i = args[i+1], i+1
		case arg == "--ansi", arg == "--progress", arg == "--env-file", arg == "--pull":
			i++
		case strings.HasPrefix(arg, "-"), arg == "compose", arg == "up":
		default:
			services = append(services, arg)
		}
	}
	loaded, err := loader.LoadWithContext(ctx, types.ConfigDetails{WorkingDir: filepath.Dir(file), ConfigFiles: types.ToConfigFiles([]string{file})}, func(o *loader.Options) { o.SetProjectName(project, true) })
	if err != nil {
		return err
	}
	api, err := client.New(client.WithHost(os.Getenv("DOCKER_HOST")))
	if err != nil {
		return err
	}
	for name := range loaded.Services {
		if len(services) > 0 && !slices.Contains(services, name) {
			continue
		}
		if err := upService(ctx, api, loaded, name, slices.Contains(args, "--force-recreate")); err != nil {
			return err
		}
	}
	for _, name := range services {
		if _, found := loaded.Services[name]; !found {
			return fmt.Errorf("no such service: %s", name)
		}
	}
	return nil
}

func upService(ctx context.Context, api *client.Client, project *types.Project, service string, force bool) error {
	config := project.Services[service]
	name := config.ContainerName
	if name == "" {
		name = project.Name + "-" + service + "-1"
	}
	encoded, err := json.Marshal(config)
	if err != nil {
		return err
	}
	hash := digest.FromBytes(encoded).Encoded()
	is, err := api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	there := err == nil
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if there && (force || is.Container.Config.Labels[labelConfigHash] != hash) {
		if _, err := api.ContainerStop(ctx, name, client.ContainerStopOptions{}); err != nil {
			return err
		}
		if _, err := api.ContainerRemove(ctx, name, client.ContainerRemoveOptions{}); err != nil {
			return err
		}
		there = false
	}
	if !there {
		fmt.Fprintf(os.Stderr, " Container %s  Creating\n", name)
		request := requestOf(project, config, hash)
		if _, err := api.ContainerCreate(ctx, client.ContainerCreateOptions{Name: name, Config: request.Config, HostConfig: request.HostConfig, NetworkingConfig: request.NetworkingConfig}); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, " Container %s  Starting\n", name)
	_, err = api.ContainerStart(ctx, name, client.ContainerStartOptions{})
	return err
}

// requestOf translates what the stack's files use.
func requestOf(project *types.Project, from types.ServiceConfig, hash string) container.CreateRequest {
	labels := map[string]string{engine.LabelComposeProject: project.Name, engine.LabelComposeService: from.Name, labelConfigHash: hash}
	for name, value := range from.Labels {
		labels[name] = value
	}
	request := container.CreateRequest{
		Config: &container.Config{Image: from.Image, Labels: labels}, HostConfig: &container.HostConfig{},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}},
	}
	for name, value := range from.Environment {
		if value != nil {
			request.Env = append(request.Env, name+"="+*value)
		}
	}
	if from.StopGracePeriod != nil {
		seconds := int(time.Duration(*from.StopGracePeriod) / time.Second)
		request.StopTimeout = &seconds
	}
	// Without one in the file it is the image's own, as all of ours have.
	if from.HealthCheck == nil || !from.HealthCheck.Disable {
		request.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "healthy"}}
	}
	request.HostConfig.RestartPolicy.Name = container.RestartPolicyMode(from.Restart)
	for name, settings := range from.Networks {
		endpoint := &network.EndpointSettings{Aliases: []string{from.Name}}
		if settings != nil {
			endpoint.Aliases = append(endpoint.Aliases, settings.Aliases...)
		}
		request.NetworkingConfig.EndpointsConfig[project.Networks[name].Name] = endpoint
	}
	for _, v := range from.Volumes {
		source, kind := v.Source, mount.TypeBind
		if v.Type == types.VolumeTypeVolume {
			source, kind = project.Volumes[v.Source].Name, mount.TypeVolume
		}
		request.HostConfig.Mounts = append(request.HostConfig.Mounts, mount.Mount{Type: kind, Source: source, Target: v.Target, ReadOnly: v.ReadOnly})
	}
	return request
}
