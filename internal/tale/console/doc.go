// Package console is how the commands talk with who runs them: questions, the progress
// of long work, and the first Ctrl-C. Data for programs is not its business, but for the
// events of a long command.
package console
