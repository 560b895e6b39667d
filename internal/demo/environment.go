package demo

import (
	"fmt"
	"maps"
	"os"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/sys/nodemodules"
)

// environment makes the complete environments of the services: nothing of the
// demo's own environment reaches them but PATH and HOME.
type environment struct {
	options options
	backend backend
	kinds   string // how many functions of each kind there are; "" where that is not known
	folder  *folder
	id      *identity
	base    config.Environ
}

func newEnvironment(o options, b backend, f *folder, id *identity, own config.Environ) environment {
	return environment{options: o, backend: b, folder: f, id: id, base: config.Environ{
		"PATH": nodemodules.Path(o.App, own["PATH"]), "HOME": own["HOME"], "LANG": "C.UTF-8",
		// Whoever runs the demo owns its folder, root included.
		"TALE_RUN_AS": fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()),
	}}
}

func (e environment) convex() config.Environ {
	return e.service("convex", config.Environ{
		"SITE_URL": e.id.siteURL(), "HOST": "localhost",
		"INSTANCE_NAME": instanceName, "INSTANCE_SECRET": e.id.Secrets.Instance,
		"CONVEX_STORAGE":           "sqlite",
		"CONVEX_BACKEND_COMMAND":   e.backend.command(),
		"CONVEX_DASHBOARD_COMMAND": "",
		"DISABLE_BEACON":           "true", // the official backend reports its use otherwise
		"CONVEX_INTERFACE":         "127.0.0.1",
		"CONVEX_BACKEND_PORT":      strconv.Itoa(e.id.Ports.Backend),
		"CONVEX_SITE_PROXY_PORT":   strconv.Itoa(e.id.Ports.HTTPActions),
		"TALE_CONFIG_DIR":          e.folder.join("data"),
		"CONVEX_BUILTIN_DIR":       e.folder.join("builtin"),
		"STATUS_ADDR":              loopback(e.id.Ports.ConvexStatus),
		"SHUTDOWN_TIMEOUT_SECONDS": "3", "SHUTDOWN_GRACE_SECONDS": "2",
	})
}

func (e environment) platform() config.Environ {
	settings := e.pushed()
	maps.Copy(settings, config.Environ{
		"CONVEX_URL":    "http://" + loopback(e.id.Ports.Backend),
		"INSTANCE_NAME": instanceName, "INSTANCE_SECRET": e.id.Secrets.Instance,
		"CONVEX_STORAGE": "sqlite", "CONVEX_APP_DIR": e.options.App,
		"CONVEX_PUSH_REQUEST":   pushRequest(e.options.App),
		"CONVEX_DEPLOY_DRIVER":  e.options.Driver,
		"CONVEX_DEPLOY_TIMEOUT": "60", "CONVEX_WAIT_TIMEOUT": "30",
		"WEB_COMMAND": webCommand(e.options.App), "HOSTNAME": "127.0.0.1", "PORT": strconv.Itoa(e.id.Ports.Web), "NODE_ENV": "production",
		"STATUS_ADDR": loopback(e.id.Ports.PlatformStatus),
		// There is no second colour that traffic could move to meanwhile.
		"SHUTDOWN_DRAIN_SECONDS": "0", "SHUTDOWN_TIMEOUT_SECONDS": "5",
	})
	return e.service("platform", settings)
}

// pushed gives a value to every variable that the platform pushes.
func (e environment) pushed() config.Environ {
	s := e.id.Secrets
	database := fmt.Sprintf("postgresql://tale:%s@127.0.0.1:5432", s.Database)
	return config.Environ{
		"SITE_URL": e.id.siteURL(), "BASE_PATH": "/",
		"BETTER_AUTH_SECRET": s.BetterAuth, "ENCRYPTION_SECRET_HEX": s.Encryption,
		"SOPS_AGE_KEY": s.AgeKey, "SOPS_AGE_KEY_FILE": "/app/data/age.key",
		"POSTGRES_URL": database, "RAG_DATABASE_URL": database + "/tale_knowledge",
		"CRAWLER_URL": "http://127.0.0.1:8002", "RAG_URL": "http://127.0.0.1:8001",
		"SEARCH_SERVICE_URL": "http://127.0.0.1:8080", "OPERATOR_URL": "http://127.0.0.1:8004",
		"AUTH_MICROSOFT_ENTRA_ID_ID": "demo", "AUTH_MICROSOFT_ENTRA_ID_TENANT_ID": "demo",
		"AUTH_MICROSOFT_ENTRA_ID_SECRET": s.EntraClient,
		"AUTH_MICROSOFT_ENTRA_ID_ISSUER": "https://login.example/demo",
		"TRUSTED_HEADERS_ENABLED":        "false", "TRUSTED_HEADERS_INTERNAL_SECRET": s.TrustedHeaders,
		"TRUSTED_EMAIL_HEADER": "X-Auth-Email", "TRUSTED_NAME_HEADER": "X-Auth-Name",
		"TRUSTED_ROLE_HEADER": "X-Auth-Role", "TRUSTED_TEAMS_HEADER": "X-Auth-Teams",
		"DEBUG_MODE": "false",
	}
}

// pushAgain returns the environment of a further push beside the running platform.
func (e environment) pushAgain() config.Environ {
	environ := e.platform()
	environ["STATUS_ADDR"] = ""
	environ["TALE_RUN_DIR"] = e.folder.join("run", "push")
	return environ
}

func (e environment) proxy() config.Environ {
	p := e.id.Ports
	return e.service("proxy", config.Environ{
		"SITE_URL": e.id.siteURL(), "HOST": "localhost", "BASE_PATH": "/", "TLS_MODE": "selfsigned",
		"PROXY_BIND_ADDRESS": "127.0.0.1", "HTTP_PORT": strconv.Itoa(p.HTTP), "HTTPS_PORT": strconv.Itoa(p.HTTPS),
		"PROXY_HEALTH_ADDR": loopback(p.ProxyHealth), "PROXY_DATA_DIR": e.folder.join("certificates"),
		"PROXY_CA_EXPORT_DIR": e.folder.path, "PROXY_SITE_DIR": "",
		"CONVEX_UPSTREAM": loopback(p.Backend), "CONVEX_SITE_UPSTREAM": loopback(p.HTTPActions),
		"DASHBOARD_UPSTREAM":   loopback(p.Dashboard),
		"PLATFORM_UPSTREAM":    loopback(p.Web),
		"PLATFORM_HEALTH":      fmt.Sprintf(":%d/readyz", p.PlatformStatus),
		"METRICS_BEARER_TOKEN": e.id.Secrets.Metrics, "SHUTDOWN_GRACE_SECONDS": "2",
	})
}

func (e environment) service(name string, settings config.Environ) config.Environ {
	environ := maps.Clone(e.base)
	maps.Copy(environ, settings)
	environ["TALE_RUN_DIR"] = e.folder.join("run", name)
	return environ
}
