package console

import "strings"

// Quoted returns a command with arguments as they are typed in a shell.
func Quoted(command string, arguments ...string) string {
	words := []string{command}
	for _, argument := range arguments {
		if argument == "" || strings.ContainsAny(argument, " \t\n\"'`$\\|&;<>()[]{}*?!#~") {
			argument = "'" + strings.ReplaceAll(argument, "'", `'\''`) + "'"
		}
		words = append(words, argument)
	}
	return strings.Join(words, " ")
}
