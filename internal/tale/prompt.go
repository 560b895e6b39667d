package tale

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// prompter asks on the terminal, if there is one.
type prompter struct {
	in    io.Reader
	out   io.Writer
	lines *bufio.Reader
	fd    int // of in, -1 without a terminal
}

// prompter asks on the streams of a command: on stderr, because stdout is for data.
func (a *app) prompter(command *cobra.Command) *prompter {
	p := &prompter{in: command.InOrStdin(), out: command.ErrOrStderr(), fd: -1}
	p.lines = bufio.NewReader(p.in)
	if isTerminal(p.in) && isTerminal(p.out) {
		p.fd = int(p.in.(*os.File).Fd())
	}
	return p
}

func (p *prompter) terminal() bool { return p.fd >= 0 }

// ask asks for a value until check takes it. An empty answer is the default.
func (p *prompter) ask(question, fallback string, check func(string) error) (string, error) {
	for {
		shown := question + ": "
		if fallback != "" {
			shown = fmt.Sprintf("%s [%s]: ", question, fallback)
		}
		answer, err := p.line(shown)
		if err != nil {
			return "", err
		}
		if answer == "" {
			answer = fallback
		}
		if err = check(answer); err == nil {
			return answer, nil
		}
		if _, err := fmt.Fprintf(p.out, "  %v\n", err); err != nil {
			return "", err
		}
	}
}

func (p *prompter) line(shown string) (string, error) {
	if _, err := io.WriteString(p.out, shown); err != nil {
		return "", err
	}
	line, err := p.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line == "" {
		return "", exit.Errorf(exit.Usage, "there was no answer to: %s", strings.TrimSpace(shown))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSpace(line), err
}

// secret asks for a value that the terminal does not show. Without a terminal it is the
// first line of the input.
func (p *prompter) secret(ctx context.Context, question string) (string, error) {
	if !p.terminal() {
		return p.line("")
	}
	before, err := term.GetState(p.fd)
	if err != nil {
		return "", err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := io.WriteString(p.out, question+" (not shown): "); err != nil {
		return "", err
	}
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(p.fd)
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		_, err := io.WriteString(p.out, "\n")
		return string(got.text), errors.Join(got.err, err)
	case <-ctx.Done(): // the terminal would go on showing nothing
		_, err := io.WriteString(p.out, "\n")
		return "", exit.With(exit.Interrupted, errors.Join(errors.New("interrupted"), err, term.Restore(p.fd, before)))
	}
}

// agree asks whether to go on, for the reasons given. No is the answer by default.
func (a *app) agree(command *cobra.Command, reasons []string) error {
	if a.yes {
		return nil
	}
	p := a.prompter(command)
	if !p.terminal() {
		return exit.Errorf(exit.Usage, "there is no terminal to ask on whether to go on although %s: say so with --yes", strings.Join(reasons, "; "))
	}
	for _, reason := range reasons {
		command.PrintErrf("  %s\n", reason)
	}
	answer, err := p.line("Go on? [y/N] ")
	if answer = strings.ToLower(answer); err != nil || answer != "y" && answer != "yes" {
		return exit.With(exit.Declined, errDeclined)
	}
	return nil
}
