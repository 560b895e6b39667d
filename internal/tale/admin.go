package tale

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

const adminCodes = `

Exit codes: 0 done; 1 failed; 4 no web application runs; 64 usage, or a question
without a terminal; 69 the engine or the backend is unreachable; 77 permission; 78
configuration; 130 interrupted.`

func (a *app) adminKeyCommand(use string) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Short:   "Print an admin key for the Convex dashboard; it gives full access to all data",
		Long:    "Print an admin key for the Convex dashboard, made in the web application that serves,\nor in that of the development stack if production does not run. It gives full access\nto all data: keep it as a password." + adminCodes,
		Example: "  tale admin-key\n  tale admin-key --json | jq -r .adminKey",
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := console.Interruptible(command.Context(), func() {}, console.AtOnce(command.ErrOrStderr(), "nothing was changed"))
			defer stop()
			s, platform, err := a.platform(ctx)
			if err != nil {
				return session.Interrupted(ctx, err)
			}
			defer s.Close()
			key, err := adminKey(ctx, s, platform)
			if err != nil {
				return session.Interrupted(ctx, err)
			}
			return a.Print(command.OutOrStdout(), map[string]string{"adminKey": key, "container": platform.Name}, key+"\n")
		},
	}
}

// platform opens the project's engine, and returns the web application that serves, or
// else that of the development stack. The caller closes the session.
func (a *app) platform(ctx context.Context) (*session.Session, engine.Container, error) {
	p, err := a.Open()
	if err != nil {
		return nil, engine.Container{}, err
	}
	s, err := a.Connect(ctx, p)
	if err != nil {
		return nil, engine.Container{}, err
	}
	for _, projects := range [][]string{compose.Projects(p.File.ID), {compose.DevelopmentID(p.File.ID)}} {
		var state rollout.State
		if state.Containers, err = s.Engine.Containers(ctx, projects...); err != nil {
			break
		}
		state.AskServing(ctx, s.Engine)
		if current, there := state.Current(stack.Platform); there && current.State.Running {
			return s, current, nil
		}
	}
	s.Close()
	if err == nil {
		err = exit.Errorf(exit.Down, "no web application of %s runs, in which this could be done: `tale deploy` starts it, or `tale start` that for development", p.File.ID)
	}
	return nil, engine.Container{}, err
}

// execFirst runs the first of some commands that a container has; found is false where it
// has none.
func execFirst(ctx context.Context, s *session.Session, c engine.Container, stdin []byte, commands ...[]string) (out, said string, code int, found bool, err error) {
	for _, command := range commands {
		var input io.Reader
		if stdin != nil {
			input = bytes.NewReader(stdin)
		}
		if out, said, code, err = s.Engine.Exec(ctx, c.ID, command, input); code != exit.NotFound {
			return out, said, code, true, err
		}
	}
	return "", "", 0, false, nil
}

// adminKey makes a key in a container: with our entrypoint, or the script of other images.
func adminKey(ctx context.Context, s *session.Session, platform engine.Container) (string, error) {
	out, said, code, found, err := execFirst(ctx, s, platform, nil, []string{"platform-entrypoint", "admin-key"}, []string{"./generate-admin-key.sh"})
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", exit.Errorf(exit.Config, "the image of %s has neither platform-entrypoint nor generate-admin-key.sh: an admin key cannot be made in it", platform.Name)
	case code != 0:
		return "", exit.Errorf(code, "cannot make an admin key in %s: %s", platform.Name, cmp.Or(strings.TrimSpace(said), strings.TrimSpace(out)))
	}
	// The script prints what to do with it as well.
	words := strings.Fields(out)
	if i := slices.IndexFunc(words, func(word string) bool { return strings.Contains(word, "|") }); i >= 0 {
		return words[i], nil
	}
	return strings.TrimSpace(out), nil
}

// setAgain is what becomes of a password that is being set as the command is interrupted.
const setAgain = "the owner has the new password, or has not yet: the same command again gives it"

func (a *app) resetOwnerCommand() *cobra.Command {
	var email string
	var fromStdin bool
	command := &cobra.Command{
		Use:   "reset-owner",
		Short: "Give the owner of the app a new password, and end all sessions of theirs",
		Long: `Give the owner of the app a new password, and a new e-mail address with --email, by the
app's own function users/internal_mutations:resetOwner. The password is asked for
twice, or read from stdin; it is never an argument.` + adminCodes,
		Example: "  tale auth reset-owner\n  pass show owner | tale auth reset-owner --email ann@example.com --password-stdin",
	}
	command.Flags().StringVarP(&email, "email", "e", "", "the owner's new e-mail `ADDRESS`; default: it stays")
	command.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from the first line of stdin")
	command.RunE = func(command *cobra.Command, _ []string) error {
		ctx, stop := console.Interruptible(command.Context(), func() {}, console.AtOnce(command.ErrOrStderr(), setAgain))
		defer stop()
		password, err := a.newPassword(ctx, command, fromStdin)
		if err != nil {
			return err
		}
		s, platform, err := a.platform(ctx)
		if err != nil {
			return session.Interrupted(ctx, err)
		}
		defer s.Close()
		value, err := resetOwner(ctx, s, platform, email, password)
		if err != nil && ctx.Err() != nil {
			return exit.Errorf(exit.Interrupted, "interrupted: %s", setAgain)
		}
		if err != nil {
			return err
		}
		return a.Print(command.OutOrStdout(), value, inWords(value))
	}
	return command
}

func (a *app) newPassword(ctx context.Context, command *cobra.Command, fromStdin bool) (string, error) {
	p := a.Prompter(command)
	if !fromStdin && !p.Terminal() {
		return "", exit.Errorf(exit.Usage, "there is no terminal to ask for the password on: give it on stdin with --password-stdin")
	}
	if fromStdin {
		return p.Input("password")
	}
	password, err := p.NewSecret(ctx, "New password")
	if err == nil && password == "" {
		err = exit.Errorf(exit.Usage, "the password is empty: nothing was changed")
	}
	return password, err
}

// callBackend calls a function of the app as an administrator. What it needs comes on
// stdin, so that no list of processes shows it.
const callBackend = `let text="";process.stdin.on("data",d=>text+=d).on("end",async()=>{const {key,...call}=JSON.parse(text);
try{const r=await fetch((process.env.CONVEX_URL||"http://convex:3210")+"/api/function",{method:"POST",headers:{"Content-Type":"application/json",Authorization:"Convex "+key},body:JSON.stringify(call)});
process.stdout.write(await r.text())}catch(e){console.error(String(e.cause||e));process.exit(69)}})`

const resetOwnerFunction = "users/internal_mutations:resetOwner"

// resetOwner returns what the app's function returns.
func resetOwner(ctx context.Context, s *session.Session, platform engine.Container, email, password string) (any, error) {
	key, err := adminKey(ctx, s, platform)
	if err != nil {
		return nil, err
	}
	args := map[string]string{"password": password}
	if email != "" {
		args["email"] = email
	}
	call, err := json.Marshal(map[string]any{"key": key, "path": resetOwnerFunction, "args": args, "format": "json"})
	if err != nil {
		return nil, err
	}
	out, err := script(ctx, s, platform, callBackend, call)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, ErrorMessage, Code, Message string
		Value                               any
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return nil, fmt.Errorf("cannot reset the owner: the backend does not answer as it should, `tale status` shows how convex is: %.200q", withoutText(out, password))
	}
	why := strings.TrimSpace(withoutText(cmp.Or(answer.ErrorMessage, answer.Message, answer.Code), password))
	switch {
	case answer.Status == "success":
		return answer.Value, nil
	case strings.Contains(why, "Could not find"):
		return nil, exit.Errorf(exit.Config, "this app has no function %s, so its owner cannot be reset from here; nothing was changed", resetOwnerFunction)
	case strings.Contains(why, "ArgumentValidationError"):
		return nil, exit.Errorf(exit.Config, "the app's function %s does not take a password, and an email where one is given; nothing was changed: %s", resetOwnerFunction, why)
	case answer.Code == "BadAdminKey":
		return nil, exit.Errorf(exit.NoPermission, "the backend refuses the admin key that was made in %s: %s; do convex and the web application run with the same INSTANCE_SECRET? `tale deploy` gives it to both; nothing was changed", platform.Name, why)
	}
	return nil, fmt.Errorf("cannot reset the owner, nothing was changed: %s", cmp.Or(why, fmt.Sprintf("the backend answers %.200q", withoutText(out, password))))
}

// withoutText leaves a secret out of what somebody says of it, plain or as JavaScript writes it.
func withoutText(text, secret string) string {
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(secret) // a string can be
	quoted := strings.TrimSpace(written.String())
	return strings.NewReplacer(quoted[1:len(quoted)-1], "…", secret, "…").Replace(text)
}

// script runs JavaScript in a container, with what it has for that.
func script(ctx context.Context, s *session.Session, c engine.Container, script string, stdin []byte) (string, error) {
	out, said, code, found, err := execFirst(ctx, s, c, stdin, []string{"node", "-e", script}, []string{"bun", "-e", script})
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", exit.Errorf(exit.Config, "the image of %s has neither node nor bun, with which the backend is called", c.Name)
	case code != 0:
		return "", exit.Errorf(exit.Unavailable, "the backend cannot be reached from %s: %s; `tale status` shows how convex is", c.Name, strings.TrimSpace(said))
	}
	return out, nil
}

// inWords says what a function has returned, a member a line.
func inWords(value any) string {
	var lines []string
	members, isObject := value.(map[string]any)
	for name, member := range members {
		lines = append(lines, fmt.Sprintf("  %s: %v\n", name, member))
	}
	slices.Sort(lines)
	if !isObject && value != nil {
		text, _ := json.Marshal(value) // it was JSON
		lines = append(lines, fmt.Sprintf("  the app's function answers: %s\n", text))
	}
	return "the owner has a new password, and all sessions have ended\n" + strings.Join(lines, "")
}
