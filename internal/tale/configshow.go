package tale

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/project"
)

func (a *app) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the project's folder, id, services and images",
		Example: "  tale config show\n  tale config show --json | jq -r .folder",
		RunE: func(command *cobra.Command, _ []string) error {
			p, err := a.open()
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(command.OutOrStdout(), map[string]any{
					"folder": p.Dir, "id": p.File.ID, "name": p.File.Name, "services": names(p), "images": p.File.Images, "createdWith": p.File.CLIVersion,
				})
			}
			out := command.OutOrStdout()
			fmt.Fprintf(out, "folder    %s\nid        %s\n", p.Dir, p.File.ID)
			if p.File.Name != "" {
				fmt.Fprintf(out, "name      %s\n", p.File.Name)
			}
			fmt.Fprintf(out, "services  %s\n", strings.Join(names(p), ", "))
			for _, service := range p.Services() {
				if image := p.File.Images[service.Name]; image != "" {
					fmt.Fprintf(out, "image     %s for %s\n", image, service.Name)
				}
			}
			return nil
		},
	}
}

func names(p *project.Project) []string {
	var list []string
	for _, service := range p.Services() {
		list = append(list, service.Name)
	}
	return list
}
