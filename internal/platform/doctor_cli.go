package platform

import (
	"context"
	"os"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
)

// cli returns how the settings run the convex CLI.
func (s *session) cli() convexcli.Options {
	return convexcli.Options{Command: s.settings.Deploy.CLI, AppDir: s.settings.Deploy.AppDir, Environ: s.environ.List()}
}

// convexCLI returns the check of the CLI driver, where it is the one that would push.
func (s *session) convexCLI() doctor.Check {
	return doctor.Check{
		Name: "convex CLI",
		Fix:  "install the package convex and bun (or the Node.js that it needs) in the image, or build the push request into it",
		Run:  s.checkCLI,
	}
}

func (s *session) checkCLI(ctx context.Context) (string, error) {
	deploy := s.settings.Deploy
	if deploy.Driver == "native" {
		return "", doctor.Skipped("CONVEX_DEPLOY_DRIVER=native runs none")
	}
	if _, err := os.Stat(deploy.PushRequest); deploy.Driver == "auto" && err == nil {
		return "", doctor.Skipped(deploy.PushRequest + " is pushed without it")
	}
	cli, err := convexcli.Find(s.cli())
	if err != nil {
		return "", err
	}
	if err := cli.Check(ctx); err != nil {
		return "", err
	}
	return cli.String(), nil
}
