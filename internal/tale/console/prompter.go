package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Prompter asks on the terminal, if there is one.
type Prompter struct {
	in    io.Reader
	out   io.Writer
	lines *bufio.Reader
	fd    int // of in, -1 without a terminal
}

// NewPrompter returns a prompter that reads from in and writes to out.
func NewPrompter(in io.Reader, out io.Writer) *Prompter {
	p := &Prompter{in: in, out: out, lines: bufio.NewReader(in), fd: -1}
	if IsTerminal(in) && IsTerminal(out) {
		p.fd = int(in.(*os.File).Fd())
	}
	return p
}

// Terminal reports whether there is a terminal to ask on.
func (p *Prompter) Terminal() bool { return p.fd >= 0 }

// Ask asks for a value until check takes it. An empty answer is the default.
func (p *Prompter) Ask(question, fallback string, check func(string) error) (string, error) {
	for {
		shown := question + ": "
		if fallback != "" {
			shown = fmt.Sprintf("%s [%s]: ", question, fallback)
		}
		answer, err := p.Line(shown)
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

// Line asks for a line. No answer at all is a usage error, and Ctrl-C ends the question,
// also where the command goes on after it to take something back.
func (p *Prompter) Line(shown string) (string, error) {
	line, err := interruptibly(context.Background(), func() (string, error) {
		if _, err := io.WriteString(p.out, shown); err != nil {
			return "", err
		}
		return p.lines.ReadString('\n')
	})
	if errors.Is(err, io.EOF) && line == "" {
		return "", exit.Errorf(exit.Usage, "there was no answer to: %s", strings.TrimSpace(shown))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSpace(line), err
}

// Confirm asks whether to do something. No is the answer by default.
func (p *Prompter) Confirm(question string) (bool, error) {
	answer, err := p.Line(question + " [y/N] ")
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", err
}

// Input returns the first line of the input, which has to be there.
func (p *Prompter) Input(what string) (string, error) {
	line, err := interruptibly(context.Background(), func() (string, error) { return p.lines.ReadString('\n') })
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if line = strings.TrimSpace(line); err == nil && line == "" {
		err = exit.Errorf(exit.Usage, "stdin has nothing on its first line, where this is expected: %s", what)
	}
	return line, err
}

// Secret asks for a value that the terminal does not show. Without a terminal it is the
// first line of the input.
func (p *Prompter) Secret(ctx context.Context, question string) (string, error) {
	if !p.Terminal() {
		return p.Input(question)
	}
	before, err := term.GetState(p.fd)
	if err != nil {
		return "", err
	}
	text, err := interruptibly(ctx, func() (string, error) {
		if _, err := io.WriteString(p.out, question+" (not shown): "); err != nil {
			return "", err
		}
		text, err := term.ReadPassword(p.fd)
		return string(text), err
	})
	_, wrong := io.WriteString(p.out, "\n")
	if err = errors.Join(err, wrong); exit.Code(err) == exit.Interrupted { // the terminal would go on showing nothing
		err = errors.Join(err, term.Restore(p.fd, before))
	}
	return text, err
}

// interruptibly asks until a stop signal. What is being read then cannot be ended, and is
// left alone: the process is about to end.
func interruptibly(ctx context.Context, ask func() (string, error)) (string, error) {
	ctx, stop := signal.NotifyContext(ctx, stopSignals()...)
	defer stop()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := ask()
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		return got.text, got.err
	case <-ctx.Done():
		return "", exit.Errorf(exit.Interrupted, "interrupted: nothing was changed")
	}
}

// NewSecret asks twice for a secret that is to be made, on a terminal, where a slip of
// the hand is not seen.
func (p *Prompter) NewSecret(ctx context.Context, question string) (string, error) {
	text, err := p.Secret(ctx, question)
	if err != nil || !p.Terminal() {
		return text, err
	}
	again, err := p.Secret(ctx, "Once more")
	if err == nil && again != text {
		err = exit.Errorf(exit.Usage, "the two differ: nothing was changed")
	}
	return text, err
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}
