package session

import (
	"slices"

	"github.com/spf13/cobra"
)

// CompleteServices completes the services of the project.
func (a *App) CompleteServices(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	p, err := a.Open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.ServiceNames(), cobra.ShellCompDirectiveNoFileComp
}

// CompleteRotating completes those of them that rotate.
func (a *App) CompleteRotating(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if p, err := a.Open(); err == nil {
		for _, service := range p.Services() {
			if service.Rotates {
				names = append(names, service.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// CompleteVersions completes the releases of the history, the newest first. What goes
// wrong is not told: the user is typing.
func (a *App) CompleteVersions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var versions []string
	if p, err := a.Open(); err == nil {
		entries, _ := p.History()
		for _, entry := range slices.Backward(entries) {
			if entry.Release != "" && !slices.Contains(versions, entry.Release) {
				versions = append(versions, entry.Release)
			}
		}
	}
	return versions, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
