package stack_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/stack"
)

const root = "../../"

// composeFile is what the tests read of a compose file.
type composeFile struct {
	Name     string
	Services map[string]struct {
		Image       string
		Environment any
		Volumes     []string
		Ports       []string
		Networks    any
		DependsOn   any    `json:"depends_on"`
		Stop        string `json:"stop_grace_period"`
	}
	Volumes, Networks map[string]any
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func compose(t *testing.T, path string) composeFile {
	t.Helper()
	var file composeFile
	// The tags are compose's own; what they take away is not looked at.
	text := strings.NewReplacer("!reset []", "[]", "!reset {}", "{}").Replace(readFile(t, path))
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return file
}

// settings returns those of each service of ours.
func settings() map[string][]config.Variable {
	return map[string][]config.Variable{
		stack.Platform: config.Describe(platform.Settings{}),
		stack.Convex:   config.Describe(convex.Settings{}),
		stack.Proxy:    config.Describe(proxy.Settings{}),
	}
}

func defaultOf(t *testing.T, service, variable string) string {
	t.Helper()
	for _, v := range settings()[service] {
		if v.Name == variable {
			return v.Default
		}
	}
	t.Fatalf("%s does not read %s", service, variable)
	return ""
}

func seconds(t *testing.T, service, variable string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(defaultOf(t, service, variable))
	if err != nil {
		t.Fatalf("%s of %s: %v", variable, service, err)
	}
	return time.Duration(n) * time.Second
}

func TestComposeHasTheServices(t *testing.T) {
	file := compose(t, "docker-compose.yml")
	volumes := map[string]any{}
	for _, service := range stack.Services() {
		in, ok := file.Services[service.Name]
		if !ok {
			t.Errorf("no service %s", service.Name)
			continue
		}
		if want := "/tale-" + service.Name + ":"; !strings.Contains(in.Image, want) {
			t.Errorf("%s: image %s", service.Name, in.Image)
		}
		var mounts []string
		for _, mount := range service.Mounts {
			text := mount.Volume + ":" + mount.Path
			if mount.ReadOnly {
				text += ":ro"
			}
			mounts, volumes[mount.Volume] = append(mounts, text), nil
		}
		equal(t, service.Name+": volumes", in.Volumes, mounts)
		equal(t, service.Name+": needs", keys(in.DependsOn), slices.Sorted(slices.Values(service.Needs)))
		for _, need := range service.Needs { // what is only started may take minutes to be of use
			depends, _ := in.DependsOn.(map[string]any)
			equal(t, service.Name+": waits until "+need, depends[need], map[string]any{"condition": "service_healthy"})
		}
		equal(t, service.Name+": networks", keys(in.Networks), []string{stack.Network})
		var published []string
		for _, port := range in.Ports {
			published = append(published, port[strings.LastIndex(port, ":")+1:])
		}
		equal(t, service.Name+": ports", published, service.Publish)
		if in.Stop == "" {
			in.Stop = "10s" // compose's own
		}
		equal(t, service.Name+": stop_grace_period", in.Stop, fmt.Sprintf("%.0fs", service.Stop.Seconds()))
	}
	equal(t, "services", slices.Sorted(maps.Keys(file.Services)), serviceNames())
	equal(t, "volumes", slices.Sorted(maps.Keys(file.Volumes)), slices.Sorted(maps.Keys(volumes)))
	equal(t, "networks", slices.Sorted(maps.Keys(file.Networks)), []string{stack.Network})
}

func serviceNames() (names []string) {
	for _, service := range stack.Services() {
		names = append(names, service.Name)
	}
	return slices.Sorted(slices.Values(names))
}

// keys returns the names in a list or a map of compose.
func keys(value any) (names []string) {
	switch value := value.(type) {
	case []any:
		for _, name := range value {
			names = append(names, fmt.Sprint(name))
		}
	case map[string]any:
		names = slices.Collect(maps.Keys(value))
	}
	return slices.Sorted(slices.Values(names))
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// stops are the settings that a stop takes one after the other.
var stops = map[string][]string{
	stack.Platform: {"SHUTDOWN_DRAIN_SECONDS", "SHUTDOWN_TIMEOUT_SECONDS"},
	stack.Convex:   {"SHUTDOWN_TIMEOUT_SECONDS", "SHUTDOWN_GRACE_SECONDS"},
	stack.Proxy:    {"SHUTDOWN_GRACE_SECONDS"},
}

// TestAStopHasTime leaves room for what a kill and the farewell take.
func TestAStopHasTime(t *testing.T) {
	const room = 5 * time.Second
	for _, service := range stack.Services() {
		needs := room
		for _, variable := range stops[service.Name] {
			needs += seconds(t, service.Name, variable)
		}
		if len(stops[service.Name]) > 0 && service.Stop < needs {
			t.Errorf("%s has %s to stop and may take %s", service.Name, service.Stop, needs)
		}
	}
}

var (
	startPeriod = regexp.MustCompile(`HEALTHCHECK .*--start-period=(\S+)`)
	waits       = regexp.MustCompile(`HEALTHCHECK .*--retries=(\d+) .*"--wait=(\S+)"`)
	exposed     = regexp.MustCompile(`(?m)^EXPOSE (.*)$`)
)

// bootTime returns how long a container may boot before its engine calls it unhealthy.
func bootTime(t *testing.T, dockerfile string) time.Duration {
	t.Helper()
	times, text := "1", ""
	if match := waits.FindStringSubmatch(dockerfile); match != nil {
		times, text = match[1], match[2]
	} else if match := startPeriod.FindStringSubmatch(dockerfile); match != nil {
		text = match[1]
	}
	n, err := strconv.Atoi(times)
	period, failed := time.ParseDuration(text)
	if err != nil || failed != nil {
		t.Fatal(dockerfile, err, failed)
	}
	return time.Duration(n) * period
}

// TestImagesAreOfTheStack: a container that is still booting must not count as
// unhealthy, and the image opens the ports by which the others find it.
func TestImagesAreOfTheStack(t *testing.T) {
	for _, service := range stack.Services() {
		if _, ours := settings()[service.Name]; !ours {
			continue
		}
		dockerfile := readFile(t, "images/"+service.Name+"/Dockerfile")
		period := bootTime(t, dockerfile)
		if service.Name != stack.Proxy && period < seconds(t, service.Name, "CONVEX_WAIT_TIMEOUT") {
			t.Errorf("%s: a start period of %s, and it waits longer for what it needs", service.Name, period)
		}
		ports := slices.Clone(service.Publish)
		for _, port := range service.Ports {
			ports = append(ports, strconv.Itoa(port))
		}
		equal(t, service.Name+": EXPOSE", slices.Sorted(strings.FieldsSeq(exposed.FindStringSubmatch(dockerfile)[1])), slices.Sorted(slices.Values(ports)))
	}
}

// TestDefaultsNameTheServices compares the addresses in the settings.
func TestDefaultsNameTheServices(t *testing.T) {
	at := func(host string, port int) string { return host + ":" + strconv.Itoa(port) }
	for _, tt := range []struct{ service, variable, want string }{
		{stack.Platform, "PORT", strconv.Itoa(stack.PlatformPort)},
		{stack.Platform, "CONVEX_URL", "http://" + at(stack.Convex, stack.BackendPort)},
		{stack.Platform, "STATUS_ADDR", at("", stack.StatusPort)},
		{stack.Platform, "DB_HOST", stack.DB},
		{stack.Platform, "DB_PORT", strconv.Itoa(stack.DBPort)},
		{stack.Convex, "CONVEX_BACKEND_PORT", strconv.Itoa(stack.BackendPort)},
		{stack.Convex, "CONVEX_SITE_PROXY_PORT", strconv.Itoa(stack.ActionsPort)},
		{stack.Convex, "CONVEX_DASHBOARD_PORT", strconv.Itoa(stack.DashboardPort)},
		{stack.Convex, "TALE_CONFIG_DIR", "/app/data"},
		{stack.Proxy, "HTTP_PORT", strconv.Itoa(stack.HTTPPort)},
		{stack.Proxy, "HTTPS_PORT", strconv.Itoa(stack.HTTPSPort)},
		{stack.Proxy, "PROXY_HEALTH_ADDR", at("", stack.ProxyHealthPort)},
		{stack.Proxy, "PROXY_DATA_DIR", "/data"},
		{stack.Proxy, "CONVEX_UPSTREAM", at(stack.Convex, stack.BackendPort)},
		{stack.Proxy, "CONVEX_SITE_UPSTREAM", at(stack.Convex, stack.ActionsPort)},
		{stack.Proxy, "DASHBOARD_UPSTREAM", at(stack.Convex, stack.DashboardPort)},
		{stack.Proxy, "PLATFORM_UPSTREAM", at(stack.Platform, stack.PlatformPort)},
		{stack.Proxy, "METRICS_CRAWLER_UPSTREAM", at(stack.Crawler, stack.CrawlerPort)},
		{stack.Proxy, "METRICS_RAG_UPSTREAM", at(stack.RAG, stack.RAGPort)},
	} {
		equal(t, tt.variable+" of "+tt.service, defaultOf(t, tt.service, tt.variable), tt.want)
	}
}

var composeFiles = []string{"docker-compose.yml", "compose.bluegreen.yml", "compose.dev.yml", "compose.external-db.yml"}

// interpolation is a variable with its default in a compose file.
var interpolation = regexp.MustCompile(`\$\{(\w+):?-([^}]*)\}`)

// TestComposeHasTheDefaults: a default that stands in a compose file, in
// .env.example or in a manifest is the setting's own, unless it is listed here.
func TestComposeHasTheDefaults(t *testing.T) {
	other := map[string]string{
		"HOST": "tale.local", "SITE_URL": "https://tale.local", // a stack to try out
		"TALE_VERSION": "dev", "HTTP3": "on", // compose publishes the port of UDP
		"HOLD_AFTER_FAILURE": "5m", // compose restarts for ever what fails
		"RAG_URL":            "http://rag:8001", "CRAWLER_URL": "http://crawler:8002",
	}
	defaults := map[string]string{}
	for _, variables := range settings() {
		for _, v := range variables {
			if known, twice := defaults[v.Name]; twice && known != v.Default {
				t.Errorf("%s has the defaults %q and %q", v.Name, known, v.Default)
			}
			defaults[v.Name] = v.Default
		}
	}
	check := func(where, name, value string) {
		def, ours := defaults[name]
		if ours && value != "" && value != def && value != other[name] {
			t.Errorf("%s: %s is %q, and by default %q", where, name, value, def)
		}
	}
	for _, path := range composeFiles {
		for _, match := range interpolation.FindAllStringSubmatch(readFile(t, path), -1) {
			if match[1] != "TALE_VERSION" || match[2] != "latest" { // of an image
				check(path, match[1], match[2])
			}
		}
	}
	for line := range strings.Lines(readFile(t, ".env.example")) {
		if name, value, set := strings.Cut(strings.TrimSpace(line), "="); set && !strings.HasPrefix(name, "#") {
			check(".env.example", name, value)
		}
	}
}

// TestTheExampleHasWhatComposeReads: every variable that the compose files put in stands
// in .env.example, maybe as a comment.
func TestTheExampleHasWhatComposeReads(t *testing.T) {
	example := readFile(t, ".env.example")
	for _, path := range composeFiles {
		for _, match := range regexp.MustCompile(`\$\{([A-Z0-9_]+)`).FindAllStringSubmatch(readFile(t, path), -1) {
			if !regexp.MustCompile(`(?m)^#? ?` + match[1] + `=`).MatchString(example) {
				t.Errorf("%s reads %s, which .env.example does not have", path, match[1])
			}
		}
	}
}

// TestComposePassesWhatExists: a variable in the compose file is one of a service.
func TestComposePassesWhatExists(t *testing.T) {
	others := []string{"SENTRY_DSN", "CRAWLER_DATABASE_URL", "TALE_VERSION"} // the backend's, the functions', the image's
	for name, service := range compose(t, "docker-compose.yml").Services {
		for _, variable := range keys(service.Environment) {
			known := slices.ContainsFunc(settings()[name], func(v config.Variable) bool { return v.Name == variable })
			if _, ours := settings()[name]; ours && !known && !slices.Contains(others, variable) {
				t.Errorf("%s does not read %s", name, variable)
			}
		}
	}
}

func TestOverlaysAreOfTheStack(t *testing.T) {
	bluegreen := compose(t, "compose.bluegreen.yml")
	i := slices.IndexFunc(stack.Services(), func(s stack.Service) bool { return s.Name == stack.Platform })
	for _, colour := range []string{stack.Blue, stack.OtherColour(stack.Blue)} {
		service, ok := bluegreen.Services[stack.Coloured(stack.Platform, colour)]
		networks, _ := service.Networks.(map[string]any)
		internal, _ := networks[stack.Network].(map[string]any)
		if aliases := append(keys(internal["aliases"]), stack.Coloured(stack.Platform, colour)); !ok {
			t.Errorf("no %s platform", colour)
		} else {
			equal(t, colour, aliases, stack.Services()[i].Aliases(colour))
			if environment, _ := service.Environment.(map[string]any); environment[stack.Colour] != colour {
				t.Errorf("the %s platform is told %v", colour, environment)
			}
		}
	}
	for _, overlay := range []string{"compose.dev.yml", "compose.external-db.yml"} {
		for name := range compose(t, overlay).Services {
			if !slices.Contains(serviceNames(), name) {
				t.Errorf("%s: %s is no service", overlay, name)
			}
		}
	}
}
