package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The variables that name the folders, and two files, of the programs that some
// tests drive for real. `make test-tools` installs them and `make test` says where
// they are. Without them a test is skipped; with TALE_TEST_REQUIRE set, as in CI,
// it fails.
const (
	convexVariable   = "TALE_TEST_CONVEX_CLI"
	nodeVariable     = "TALE_TEST_NODE_BIN"
	runnerVariable   = "TALE_TEST_RUNNER"
	postgresVariable = "TALE_TEST_POSTGRES_BIN"
	dbmateVariable   = "TALE_TEST_DBMATE"
	serversVariable  = "TALE_TEST_SERVERS"
	nginxVariable    = "TALE_TEST_NGINX"
	traefikVariable  = "TALE_TEST_TRAEFIK"
	engineVariable   = "TALE_TEST_ENGINE_IMAGE"
	requireVariable  = "TALE_TEST_REQUIRE"
)

// ConvexCLIs returns, by version, the node_modules folder that holds that release
// of the convex package and the components of convexsim's test app.
func ConvexCLIs(t *testing.T) map[string]string {
	t.Helper()
	folder := folderOf(t, convexVariable)
	found, err := filepath.Glob(filepath.Join(folder, "*", "node_modules", "convex", "package.json"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no releases of convex in %s: %v", folder, err)
	}
	releases := map[string]string{}
	for _, manifest := range found {
		modules := filepath.Dir(filepath.Dir(manifest))
		releases[filepath.Base(filepath.Dir(modules))] = modules
	}
	return releases
}

// NodePath returns a PATH in which the Node.js comes first that all releases of the
// convex package run on.
func NodePath(t *testing.T) string {
	t.Helper()
	return folderOf(t, nodeVariable) + string(os.PathListSeparator) + os.Getenv("PATH")
}

// FunctionRunner returns the folder of the packages that convex-sim runs functions
// with.
func FunctionRunner(t *testing.T) string {
	t.Helper()
	return folderOf(t, runnerVariable)
}

// Postgres returns the folder with initdb and postgres.
func Postgres(t testing.TB) string {
	t.Helper()
	return folderOf(t, postgresVariable)
}

// Psql returns the system's program psql, which make test-tools installs where root runs it.
func Psql(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("psql")
	switch {
	case err == nil:
	case os.Getenv(requireVariable) != "":
		t.Fatalf("there is no psql, and %s is set; make test-tools installs what is missing: %v", requireVariable, err)
	default:
		t.Skip("there is no psql; make test-tools installs what is missing")
	}
	return program
}

// Dbmate returns the program dbmate.
func Dbmate(t *testing.T) string {
	t.Helper()
	return folderOf(t, dbmateVariable)
}

// Servers returns the folder of the web servers whose reading of paths is tried: bun, the
// packages, servers.mjs and a built app of Next.js.
func Servers(t *testing.T) string {
	t.Helper()
	return folderOf(t, serversVariable)
}

// Nginx returns the program nginx: the system's, or the one that make test-tools
// has unpacked.
func Nginx(t *testing.T) string {
	t.Helper()
	if program, err := exec.LookPath("nginx"); err == nil {
		return program
	}
	return folderOf(t, nginxVariable)
}

// Traefik returns the program traefik where there is one, and skips the test
// elsewhere, also in CI: `make traefik` takes longer than all tests.
func Traefik(t *testing.T) string {
	t.Helper()
	program := os.Getenv(traefikVariable)
	if program == "" {
		t.Skipf("%s names no program; make traefik compiles one", traefikVariable)
	}
	return program
}

func folderOf(t testing.TB, variable string) string {
	t.Helper()
	folder := os.Getenv(variable)
	switch {
	case folder != "":
		return folder
	case os.Getenv(requireVariable) != "":
		t.Fatalf("%s names no folder, and %s is set; make test-tools installs what is missing", variable, requireVariable)
	default:
		t.Skipf("%s names no folder; make test-tools installs what is missing", variable)
	}
	return ""
}

// Compose returns the docker command, which has the compose plugin. Neither needs an
// engine to read files. A test is skipped where they are not, unless test/e2e runs it,
// which installs them.
func Compose(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("docker")
	if err == nil {
		err = exec.CommandContext(t.Context(), program, "compose", "version").Run()
	}
	switch {
	case err == nil:
	case os.Getenv(engineVariable) != "":
		t.Fatalf("there is no docker with the plugin compose, and %s is set: %v", engineVariable, err)
	default:
		t.Skipf("there is no docker with the plugin compose: %v", err)
	}
	return program
}

// EngineImage returns an image with a shell that the machine's Docker engine has, and
// skips the test where test/e2e has not named one: only it may use the engine.
func EngineImage(t *testing.T) string {
	t.Helper()
	image := os.Getenv(engineVariable)
	if image == "" {
		t.Skipf("%s names no image; make e2e tries a real engine", engineVariable)
	}
	return image
}
