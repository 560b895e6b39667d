package tale

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

func (a *app) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the project's folder, id, services and images",
		Long:    "Print the project's folder, id, services, and the images that tale.json names. The\nsettings are printed by tale env check.\n\nExit codes: 0 done; 64 usage; 78 there is no project, or its tale.json is broken.",
		Example: "  tale config show\n  tale config show --json | jq -r .folder",
		RunE: func(command *cobra.Command, _ []string) error {
			p, err := a.Open()
			if err != nil {
				return err
			}
			return a.Print(command.OutOrStdout(), map[string]any{
				"folder": p.Dir, "id": p.File.ID, "name": p.File.Name, "services": p.ServiceNames(), "images": p.File.Images, "createdWith": p.File.CLIVersion,
			}, describe(p))
		},
	}
}

func describe(p *project.Project) string {
	var text strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-9s %s\n", name, value)
		}
	}
	row("folder", p.Dir)
	row("id", p.File.ID)
	row("name", p.File.Name)
	row("services", strings.Join(p.ServiceNames(), ", "))
	for _, service := range p.Services() {
		if image := p.File.Images[service.Name]; image != "" {
			row("image", image+" for "+service.Name)
		}
	}
	return text.String()
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this command, which tale deploy deploys",
		Long:    "Print the version of this command. It is the release that tale deploy deploys where\nneither --version nor TALE_VERSION names one.\n\nExit codes: 0 done; 64 usage.",
		Example: "  tale version\n  tale version --json",
		RunE: func(command *cobra.Command, _ []string) error {
			return a.Print(command.OutOrStdout(), map[string]string{
				"version": version.String(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			}, version.String()+"\n")
		},
	}
}
