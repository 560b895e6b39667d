package tale

import (
	"slices"

	"github.com/spf13/cobra"
)

func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a shell's script that completes commands, flags and names",
		Long:  "Print the script with which a shell completes commands, flags and the project's services.\n\nExit codes: 0 done; 64 usage.",
		Example: `  source <(tale completion bash)
  tale completion bash > /etc/bash_completion.d/tale
  tale completion zsh > "${fpath[1]}/_tale"
  tale completion fish > ~/.config/fish/completions/tale.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(command *cobra.Command, args []string) error {
			root, out := command.Root(), command.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			default:
				return root.GenFishCompletion(out, true)
			}
		},
	}
}

// completeVersions completes the releases of the history, the newest first. What goes
// wrong is not told: the user is typing.
func (a *app) completeVersions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var versions []string
	if p, err := a.open(); err == nil {
		entries, _ := p.History()
		for _, entry := range slices.Backward(entries) {
			if entry.Release != "" && !slices.Contains(versions, entry.Release) {
				versions = append(versions, entry.Release)
			}
		}
	}
	return versions, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
