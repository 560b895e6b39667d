package demo

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// kept returns where the demo keeps a file between two starts with an app.
func kept(app, name string) string {
	return filepath.Join(app, "node_modules", ".cache", "tale-demo", name)
}

// pushRequest returns the request of the native driver.
func pushRequest(app string) string { return kept(app, "push-request.json") }

// functionRunner returns the folder of the packages that run the app's functions.
func functionRunner(app string) string { return kept(app, "functions") }

// installer is a package manager.
type installer struct {
	lock string
	argv []string // installs what is locked
}

func installers() []installer {
	return []installer{
		{"bun.lock", []string{"bun", "install", "--frozen-lockfile"}},
		{"pnpm-lock.yaml", []string{"pnpm", "install", "--frozen-lockfile"}},
		{"package-lock.json", []string{"npm", "ci"}},
	}
}

// workspace returns the folder with the lock file, the app's own or one above it,
// and what installs the packages there.
func workspace(app string) (root string, found installer, err error) {
	for root = app; ; root = filepath.Dir(root) {
		for _, one := range installers() {
			if _, err := os.Stat(filepath.Join(root, one.lock)); err != nil {
				continue
			}
			if _, err := exec.LookPath(one.argv[0]); err != nil {
				one.argv = append([]string{"npx", "--yes"}, one.argv...)
			}
			return root, one, nil
		}
		if root == filepath.Dir(root) {
			return "", installer{}, exit.Errorf(exit.Usage,
				"cannot install the packages of %s: there is no bun.lock, pnpm-lock.yaml or package-lock.json in it or above it", app)
		}
	}
}

// defaultWebCommand is that of the platform image.
const defaultWebCommand = "bun server.ts"

// webCommand returns what the app's script start runs, without npm in between
// where no shell is needed for it.
func webCommand(app string) string {
	var manifest struct{ Scripts struct{ Start string } }
	data, err := os.ReadFile(filepath.Join(app, "package.json"))
	if err != nil || json.Unmarshal(data, &manifest) != nil || manifest.Scripts.Start == "" {
		return defaultWebCommand
	}
	start := manifest.Scripts.Start
	if _, err := config.ParseCommand(start); err != nil || strings.ContainsAny(start, "$`*?~") {
		return "npm run start"
	}
	return start
}
