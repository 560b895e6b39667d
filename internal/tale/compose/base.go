package compose

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// base returns the stack before anybody overrides anything, with all its services, so
// that an override may also name one that this project does without.
func (b *builder) base() *types.Project {
	base := &types.Project{
		Name: b.name, Services: types.Services{}, Volumes: types.Volumes{},
		Networks: types.Networks{stack.Network: {Name: b.name + "_" + stack.Network, External: true}},
	}
	for _, service := range stack.Services() {
		base.Services[service.Name] = b.service(service)
		for _, mount := range service.Mounts {
			base.Volumes[mount.Volume] = types.VolumeConfig{Name: b.name + "_" + mount.Volume, External: true}
		}
	}
	return base
}

// noImage stands for an image that is not known. No reference has capital letters.
const noImage = "NONE"

func (b *builder) service(service stack.Service) types.ServiceConfig {
	stop := types.Duration(service.Stop)
	c := types.ServiceConfig{Name: service.Name, Restart: types.RestartPolicyUnlessStopped}
	c.Image = cmp.Or(b.Images[service.Name], noImage)
	c.StopGracePeriod = &stop
	c.Environment = b.environment(service)
	c.Logging = &types.LoggingConfig{Driver: "json-file", Options: types.Options{"max-size": "10m", "max-file": "3"}}
	c.Networks = map[string]*types.ServiceNetworkConfig{stack.Network: {}}
	c.DependsOn = types.DependsOnConfig{}
	for _, need := range service.Needs {
		c.DependsOn[need] = types.ServiceDependency{Condition: types.ServiceConditionHealthy, Required: true}
	}
	for _, mount := range service.Mounts {
		c.Volumes = append(c.Volumes, types.ServiceVolumeConfig{Type: types.VolumeTypeVolume, Source: mount.Volume, Target: mount.Path, ReadOnly: mount.ReadOnly})
	}
	if service.Name != stack.DB {
		c.ExtraHosts = types.HostsList{"host.docker.internal": {"host-gateway"}}
	}
	c.Ports = b.ports(service)
	special(&c)
	if b.Foreign[service.Name] {
		b.foreign(&c)
	} else {
		harden(&c)
	}
	if b.development {
		b.develop(&c)
	}
	if service.Name == stack.Proxy && !isTerminated(c.Environment) {
		// Containers reach the public names from inside.
		aliases := []string{*c.Environment["HOST"]}
		if extra := c.Environment["EXTRA_SITES"]; extra != nil {
			aliases = append(aliases, stack.ExtraSites{Text: *extra}.Hosts()...)
		}
		c.Networks[stack.Network].Aliases = aliases
	}
	return c
}

// isTerminated reports whether the site is https:// at a terminator in front, which its name
// has to lead to inside as well: the proxy opens no port for TLS then.
func isTerminated(environment types.MappingWithEquals) bool {
	mode, site := environment["TLS_MODE"], environment["SITE_URL"]
	return mode != nil && *mode == stack.TLSExternal && site != nil && strings.HasPrefix(strings.ToLower(*site), "https:")
}

// special gives a service what it needs whoever made its image.
func special(c *types.ServiceConfig) {
	const mebibyte = 1 << 20
	switch c.Name {
	case stack.DB:
		// A fast shutdown: running transactions are rolled back, a checkpoint is written.
		c.ShmSize, c.StopSignal = 256*mebibyte, "SIGINT"
	case stack.Crawler:
		c.ShmSize = 1024 * mebibyte // for the browser
	}
}

// harden takes all rights from a container but those that our images need.
func harden(c *types.ServiceConfig) {
	switch c.Name {
	case stack.RAG, stack.Crawler:
		return
	case stack.DB, stack.Convex:
		// They start as root to make the volume their own, then become another user.
		c.CapAdd = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
	case stack.Platform, stack.Proxy:
		c.User = "1001:1001"
	}
	c.ReadOnly, c.CapDrop, c.SecurityOpt = true, []string{"ALL"}, []string{"no-new-privileges:true"}
	c.Tmpfs = types.StringList{"/tmp:mode=1777"}
	switch c.Name {
	case stack.DB:
		c.Tmpfs = append(c.Tmpfs, "/var/run/postgresql:mode=1777")
	case stack.Proxy:
		c.Sysctls = types.Mapping{"net.ipv4.ip_unprivileged_port_start": "0"}
	}
}

// foreign gives a container what images made for the first deploy tool expect of it.
// Their database has a health check of its own that knows when its first start is over.
func (b *builder) foreign(c *types.ServiceConfig) {
	switch c.Name {
	case stack.Convex:
		if b.Foreign[stack.Proxy] {
			delete(c.Environment, "CADDY_CA_CERT_PATH") // the image knows where that proxy keeps its root
		}
		c.Volumes = append(c.Volumes, types.ServiceVolumeConfig{Type: types.VolumeTypeVolume, Source: stack.CaddyData, Target: "/caddy-data", ReadOnly: true})
		c.HealthCheck = check("curl -sf http://127.0.0.1:3210/version && test -f /tmp/convex-ready", 5, 3, 3, 120)
	case stack.Platform:
		c.HealthCheck = check("curl -sf http://127.0.0.1:3000"+stack.PlatformHealth+" && test -f /tmp/platform-ready", 5, 3, 3, 180)
	case stack.Proxy:
		c.HealthCheck = check("wget -q --spider http://127.0.0.1:2020/health", 30, 10, 3, 10)
	case stack.RAG:
		c.HealthCheck = check("curl -sf http://127.0.0.1:8001/health", 5, 3, 2, 40)
	case stack.Crawler:
		c.HealthCheck = check("curl -sf http://127.0.0.1:8002/health", 5, 3, 2, 40)
	}
}

func check(command string, interval, timeout, retries, start uint64) *types.HealthCheckConfig {
	seconds := func(n uint64) *types.Duration {
		d := types.Duration(time.Duration(n) * time.Second) //nolint:gosec // minutes at most
		return &d
	}
	return &types.HealthCheckConfig{
		Test: types.HealthCheckTest{"CMD-SHELL", command}, Interval: seconds(interval), Timeout: seconds(timeout), Retries: &retries, StartPeriod: seconds(start),
	}
}

// ports returns what a service publishes on the host.
func (b *builder) ports(service stack.Service) (ports []types.ServicePortConfig) {
	for _, published := range service.Publish {
		setting, at := stack.PublishHTTPS, b.Settings.Get(stack.PublishHTTPS)
		if published == strconv.Itoa(stack.HTTPPort) {
			setting, at = stack.PublishHTTP, b.Settings.Get(stack.PublishHTTP)
		}
		if b.development {
			if setting == stack.PublishHTTP {
				continue
			}
			at = ""
			if b.Port != 0 {
				at = strconv.Itoa(b.Port)
			}
		}
		container, _, _ := strings.Cut(published, "/")
		parsed, err := types.ParsePortConfig(cmp.Or(at, container) + ":" + published)
		if err != nil {
			b.refuse(setting, fmt.Sprintf("%q is no port of the host", at), stack.HostPort)
			continue
		}
		ports = append(ports, parsed...)
	}
	return ports
}

// develop mounts the folders of the project that developers edit.
func (b *builder) develop(c *types.ServiceConfig) {
	mount := func(folder, parent string) {
		source := filepath.Join(b.Project.Dir, folder)
		if info, err := os.Stat(source); err == nil && info.IsDir() {
			volume := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: source, Target: parent + folder, ReadOnly: c.Name != stack.Convex}
			if strings.Contains(source, ":") { // it can be mounted in this form alone
				volume.Bind = &types.ServiceVolumeBind{CreateHostPath: false}
			}
			c.Volumes = append(c.Volumes, volume)
		}
	}
	switch c.Name {
	case stack.Convex, stack.Platform:
		for _, folder := range project.Folders() {
			mount(folder, "/app/data/")
		}
	case stack.RAG, stack.Crawler:
		mount("providers", "/app/platform-config/")
	}
	if c.Name == stack.Platform {
		folder, watch := "/app/data", "true"
		c.Environment["TALE_CONFIG_DIR"], c.Environment["TALE_FILE_EVENTS"] = &folder, &watch
	}
}
