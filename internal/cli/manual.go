package cli

import (
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// Manual is what the help of a command has behind its flags. The text before them,
// with its exit codes, and the examples are the command's own (Long, Example).
type Manual struct {
	// Reads returns the settings of the environment that the command reads, once somebody
	// asks for help; nil for none.
	Reads func() []config.Variable
	// Page tells more; those of commands below without one is that of the command above.
	Page string
}

// Reading returns those of a struct of settings, for a Manual.
func Reading(settings any) func() []config.Variable {
	return func() []config.Variable { return config.Describe(settings) }
}

const pageKey = "manual-page"

// For gives the help of a command what the manual has, and returns the command. Those
// below it, which have no manual of their own, have its page.
func (m Manual) For(command *cobra.Command) *cobra.Command {
	if m.Page != "" {
		notes := maps.Clone(command.Annotations)
		if notes == nil {
			notes = map[string]string{}
		}
		notes[pageKey] = m.Page
		command.Annotations = notes
	}
	command.SetHelpFunc(func(asked *cobra.Command, args []string) {
		new(cobra.Command).HelpFunc()(asked, args)
		reads := "none\n"
		if asked == command && m.Reads != nil {
			reads = settingsText(m.Reads())
		}
		writeManual(asked.OutOrStdout(), asked, reads)
	})
	return command
}

// Ends returns the paragraph of a command's help that lists its exit codes: what begin
// says, as "0 done", and what the codes stand for with every service.
func Ends(begin string, codes ...int) string {
	list := []string{begin}
	for _, code := range append([]int{exit.Usage}, codes...) {
		list = append(list, fmt.Sprintf("%d %s", code, exit.Meaning(code)))
	}
	return "\n\n" + wrap("Exit codes: "+strings.Join(list, "; ")+".", "")
}

// writeManual writes what the manual adds to the help.
func writeManual(out io.Writer, command *cobra.Command, reads string) {
	_, _ = fmt.Fprintf(out, "\nSettings: %s", reads)
	for c := command; c != nil; c = c.Parent() {
		if page := c.Annotations[pageKey]; page != "" {
			_, _ = fmt.Fprintf(out, "\nMore: %s\n", page)
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
				_, _ = fmt.Fprintf(out, "      in https://%s\n", info.Main.Path)
			}
			return
		}
	}
}

// settingsText lists settings by whom they concern: all that must be set, those that
// an operator may want to set with a line each, the names of the others.
func settingsText(variables []config.Variable) string {
	var must, may, rarely []config.Variable
	for _, v := range variables {
		switch {
		case v.Required:
			must = append(must, v)
		case v.Tier == config.TierOperator:
			may = append(may, v)
		default:
			rarely = append(rarely, v)
		}
	}
	var text strings.Builder
	text.WriteString("variables of the environment\n")
	for _, tier := range []struct {
		heading   string
		variables []config.Variable
	}{{"must be set", must}, {"may be set", may}} {
		if len(tier.variables) > 0 {
			text.WriteString("  " + tier.heading + ":\n")
		}
		for _, v := range tier.variables {
			text.WriteString(wrap(settingLine(v), "      ") + "\n")
		}
	}
	if len(rarely) > 0 {
		names := make([]string, len(rarely))
		for i, v := range rarely {
			names[i] = v.Name
		}
		text.WriteString("  rarely:\n" + wrap("    "+strings.Join(names, ", "), "    ") + "\n")
	}
	return text.String()
}

func settingLine(v config.Variable) string {
	line := "    " + v.Name
	switch {
	case v.Secret && v.FileName() != "":
		line += ", or " + v.FileName()
	case v.Default != "":
		line += "=" + v.Default
	}
	first, _, _ := strings.Cut(v.Doc, ". ")
	if first == "" {
		return line
	}
	return line + ": " + strings.TrimSuffix(first, ".")
}

// helpWidth is that of a line of help, in characters.
const helpWidth = 96

// wrap breaks a text into lines of which all but the first begin with indent.
func wrap(text, indent string) string {
	start := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var lines []string
	line := start
	for _, word := range strings.Fields(text) {
		if len([]rune(line))+len([]rune(word)) >= helpWidth {
			lines, line = append(lines, strings.TrimRight(line, " ")), indent
		}
		line += word + " "
	}
	return strings.Join(append(lines, strings.TrimRight(line, " ")), "\n")
}
