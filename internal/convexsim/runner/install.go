package runner

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

//go:embed host
var host embed.FS

const hostFolder = "host"

// InstallCommand installs the packages of a folder that WriteManifest wrote to. No
// script of a package runs.
func InstallCommand() []string {
	return []string{"npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"}
}

// Manifest names the files that say which packages the runner needs.
func Manifest() []string { return []string{"package.json", "package-lock.json"} }

// WriteManifest writes what InstallCommand needs into a folder, which it makes.
func WriteManifest(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("cannot write the function runner: %w", err)
	}
	for _, name := range Manifest() {
		data, err := host.ReadFile(hostFolder + "/" + name)
		if err != nil {
			return err
		}
		if err := atomicfile.WriteVolatile(filepath.Join(folder, name), data, 0o644); err != nil {
			return fmt.Errorf("cannot write the function runner: %w", err)
		}
	}
	return nil
}

// writeProgram writes the program of the child into a folder, where it finds the
// packages that are installed elsewhere.
func writeProgram(folder, packages string) error {
	packages, err := filepath.Abs(filepath.Join(packages, "node_modules"))
	if err != nil {
		return err
	}
	if err := os.CopyFS(folder, programFiles()); err != nil {
		return fmt.Errorf("cannot write the function runner: %w", err)
	}
	return os.Symlink(packages, filepath.Join(folder, "node_modules"))
}

// programFiles returns the files of the child's program.
func programFiles() fs.FS {
	files, err := fs.Sub(host, hostFolder)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}

// CheckInstalled reports what keeps a folder from serving as --runner.
func CheckInstalled(folder string) error {
	needed := filepath.Join(folder, "node_modules", "convex-test", "package.json")
	if _, err := os.Stat(needed); err != nil {
		return errors.Join(fmt.Errorf("cannot run functions: the packages of the runner are not in %s: %w", folder, err),
			errors.New("write package.json and package-lock.json of internal/convexsim/runner/host there and run npm ci --ignore-scripts in it"))
	}
	return nil
}
