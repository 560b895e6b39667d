package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// CompletionCommand returns the command that prints a shell's script for the commands
// of the program of that name.
func CompletionCommand(program string) *cobra.Command {
	const example = `  source <(NAME completion bash)
  NAME completion bash > /etc/bash_completion.d/NAME
  NAME completion zsh > "${fpath[1]}/_NAME"
  NAME completion fish > ~/.config/fish/completions/NAME.fish`
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Print a shell's script that completes commands, flags and names",
		Long:      "Print the script with which a shell completes commands, flags and what they take." + Ends("0 done"),
		Example:   strings.ReplaceAll(example, "NAME", program),
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
