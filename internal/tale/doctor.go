package tale

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/db"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/status"
)

const (
	littleDisk   = 5 << 30 // bytes, for two releases of images
	littleMemory = 2 << 30 // bytes of the host
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the host, the files and the running stack, with a fix for each fault",
		Long: `Check what a stack needs of the host (engine, compose plugin, disk, memory, clock, ports,
the site's name), of the project's files (.env, override, images, volumes) and of a database
server elsewhere, and then let the web application that serves and convex check the
stack from inside. It changes nothing. Without an engine it checks what needs none.

Exit codes: 0 nothing has failed; 1 something has; 69 the engine is unreachable; 77
permission; 78 there is no project; 130 interrupted.`,
		Example: "  tale doctor\n  tale doctor --json | jq '.[] | select(.verdict == \"fail\")'",
		RunE:    a.doctor,
	}
}

func (a *app) doctor(command *cobra.Command, _ []string) error {
	p, err := a.Open()
	if err == nil {
		err = session.HasID(p)
	}
	if err != nil {
		return err
	}
	ctx, stop := console.Interruptible(command.Context(), func() {}, console.AtOnce(command.ErrOrStderr(), "nothing was changed"))
	defer stop()
	e := &examination{Session: &session.Session{Project: p}}
	if s, unreachable := a.Connect(ctx, p); unreachable == nil {
		defer s.Close()
		e.Session = s
		e.state, e.unreachable = s.Observed(ctx)
	} else {
		e.unreachable = unreachable
	}
	findings, healthy := e.examine(ctx, a)
	if ctx.Err() != nil { // what was not looked at is not said to have failed
		return session.Interrupted(ctx, ctx.Err())
	}
	switch err = a.Print(command.OutOrStdout(), findings, tableOf(findings)); {
	case err != nil:
	case e.unreachable != nil:
		err = cli.Logged(e.unreachable) // it stands there
	case !healthy:
		err = cli.Logged(exit.With(exit.Failure, errors.New("a check has failed")))
	}
	return err
}

// examine makes all checks: without an engine those that need none.
func (e *examination) examine(ctx context.Context, a *app) (findings []doctor.Finding, healthy bool) {
	settings, wrong := e.Project.Settings(a.Environ)
	if e.Settings = settings; settings == nil {
		e.Settings = project.Settings{}
	}
	var unmade error
	if r := e.Release(""); wrong == nil {
		e.images = r.Images
		e.model, _, unmade = e.Aim(r, "", false, e.state, rollout.Scope{})
	}
	checks := append(e.checks(wrong, unmade), doctor.Check{Name: "services", Needs: []string{"engine"}, Fix: "`tale logs SERVICE` says why", Run: func(ctx context.Context) (string, error) {
		document, err := a.lookOnce(ctx, false)
		return unwell(document, err)
	}})
	findings, healthy = doctor.Examine(ctx, checks)
	if e.unreachable != nil {
		return findings, false
	}
	for _, service := range []string{stack.Platform, stack.Convex} {
		inside, well := e.inside(ctx, service)
		findings, healthy = append(findings, inside...), healthy && well
	}
	return findings, healthy
}

// unwell returns what does not run as it should, of the services that are there.
func unwell(document status.Document, err error) (string, error) {
	var wrong, started []string
	if document.Restore != "" {
		wrong = append(wrong, document.Restore)
	}
	for _, s := range document.Services {
		if s.Container == "" {
			continue
		}
		started = append(started, s.Service)
		if s.State != "healthy" && s.State != "running" && s.State != "starting" {
			wrong = append(wrong, strings.TrimSuffix(s.Service+" is "+s.State+": "+s.Reason, ": "))
		}
	}
	switch {
	case err != nil:
		return "", err
	case len(wrong) > 0:
		return "", errors.New(strings.Join(wrong, "; "))
	case len(started) == 0:
		return "", doctor.Skipped("nothing of this project is there: `tale deploy` starts it")
	}
	return strings.Join(started, ", ") + " run", nil
}

func tableOf(findings []doctor.Finding) string {
	var rows [][]string
	for _, f := range findings {
		rows = append(rows, []string{string(f.Verdict), f.Name, strings.ReplaceAll(f.Detail, "\n", "; ")})
		if f.Fix != "" {
			rows = append(rows, []string{"", "", "→ " + f.Fix})
		}
	}
	return console.Table(rows)
}

// examination is what the checks look at.
type examination struct {
	*session.Session
	unreachable error // why the engine cannot be asked; nothing else of it is known then
	state       rollout.State
	model       *compose.Model // nil if the files make none
	images      map[string]string
}

func (e *examination) docker(ctx context.Context) (string, error) {
	if e.unreachable != nil {
		return "", e.unreachable
	}
	if imitator, err := e.Engine.Imitator(ctx); err != nil || imitator != "" {
		return "", cmp.Or(err, doctor.WithFix(fmt.Errorf("is %s, and tale needs Docker's own", imitator), "install Docker Engine, or name its address in DOCKER_HOST"))
	}
	return fmt.Sprintf("Docker %s, API %s, %s/%s", e.Info.Version, e.Info.API, e.Info.OS, e.Info.Arch), nil
}

func (e *examination) checks(wrong, unmade error) []doctor.Check {
	checks := []doctor.Check{
		{Name: "engine", Run: e.docker},
		{Name: "compose plugin", Needs: []string{"engine"}, Fix: "install docker-compose-plugin 2.20 or newer", Run: e.Engine.ComposeVersion},
		{Name: "disk", Needs: []string{"engine"}, Fix: "`tale cleanup --dry-run` shows what may go", Run: e.disk},
		{Name: "memory", Needs: []string{"engine"}, Fix: "two colours and a database run side by side during a deploy: give the host more", Run: e.memory},
		{Name: "clock", Needs: []string{"engine"}, Fix: "set it, and let it be kept right (timedatectl set-ntp true)", Run: e.clock},
		{Name: ".env", Fix: "`tale init` fills in what is missing; `tale env check` shows what each service gets", Run: func(context.Context) (string, error) { return e.env(wrong) }},
		{Name: "stack of the files", Needs: []string{".env"}, Fix: "look into .env, tale.json and compose.override.yml", Run: func(context.Context) (string, error) { return "is valid", e.madeOf(unmade) }},
		{Name: "database server", Needs: []string{".env"}, Fix: "`tale db status` says more", Run: func(ctx context.Context) (string, error) { return db.CheckServer(ctx, e.Project, e.Settings) }},
		{Name: "images", Needs: []string{"engine", "stack of the files"}, Fix: "build or pull them for the engine's architecture", Run: e.architecture},
		{Name: "ports", Needs: []string{"engine", "stack of the files"}, Fix: "stop what holds it, or set PUBLISH_HTTP and PUBLISH_HTTPS", Run: e.ports},
		{Name: "id", Run: func(context.Context) (string, error) { return e.id() }},
		{Name: "volumes", Needs: []string{"engine", "stack of the files"}, Fix: "rename them, or give this project another id", Run: e.volumes},
	}
	if host := e.Settings.Get("HOST"); host != "" {
		check := doctor.Resolves("name "+host, host, "a DNS record, or a line in /etc/hosts of those who visit the site")
		look := check.Run
		check.Run = func(ctx context.Context) (string, error) {
			detail, err := look(ctx)
			if err != nil { // visitors may know it
				err = doctor.Warning(err)
			}
			return detail, err
		}
		checks = append(checks, check)
	}
	return checks
}

func (e *examination) disk(context.Context) (string, error) {
	free, total, known := e.Info.DiskFree()
	text := fmt.Sprintf("%s free of %s at %s", humanize.IBytes(uint64(free)), humanize.IBytes(uint64(total)), e.Info.Root)
	switch {
	case !known:
		return "", doctor.Skipped("the engine's disk is none of this machine")
	case free < littleDisk:
		return "", doctor.Warning(errors.New(text))
	}
	return text, nil
}

func (e *examination) memory(context.Context) (string, error) {
	text := fmt.Sprintf("the engine's host has %s, and %s", humanize.IBytes(uint64(e.Info.Memory)), english.Plural(e.Info.CPUs, "processor", ""))
	if e.Info.Memory < littleMemory {
		return "", doctor.Warning(errors.New(text))
	}
	return text, nil
}

func (e *examination) clock(context.Context) (string, error) {
	if doubt := rollout.ClockDoubt(e.Info, e.state.Images); doubt != "" {
		return "", doctor.Warning(errors.New(doubt))
	}
	return "of the engine's host is that of this machine", nil
}

func (e *examination) architecture(ctx context.Context) (string, error) {
	var away []string
	for service, reference := range e.images {
		image, there, err := e.Engine.Image(ctx, reference)
		switch {
		case err != nil:
			return "", err
		case there && image.Arch != e.Info.Arch:
			return "", fmt.Errorf("%s, of %s, is for %s, and the engine for %s", reference, service, image.Arch, e.Info.Arch)
		case !there:
			away = append(away, reference)
		}
	}
	if len(away) == 0 {
		return "are here, for " + e.Info.Arch, nil
	}
	slices.Sort(away)
	return fmt.Sprintf("%d of %d are here, for %s; a deploy pulls %s", len(e.images)-len(away), len(e.images), e.Info.Arch, strings.Join(away, ", ")), nil
}

// env reports what is wrong with .env, and one that others may read: it has the keys to all data.
func (e *examination) env(wrong error) (string, error) {
	if wrong != nil {
		return "", wrong
	}
	path := filepath.Join(e.Project.Dir, project.EnvName)
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return "", doctor.WithFix(doctor.Warning(fmt.Errorf("is complete, and other users of this machine may read its secrets (%s)", info.Mode().Perm())), console.Quoted("chmod 600", path))
	}
	return "is complete", nil
}

// madeOf returns why the files make no stack, or as a warning what is odd in them.
func (e *examination) madeOf(unmade error) error {
	if unmade != nil {
		return unmade
	}
	if odd := slices.Concat(e.Project.Warnings, e.model.Warnings); len(odd) > 0 {
		return doctor.Warning(errors.New(strings.Join(odd, "; ")))
	}
	return nil
}

// id reports that tale.json names another stack than the one that was deployed from here.
func (e *examination) id() (string, error) {
	if renamed := e.Project.Renamed(); renamed != "" {
		return "", doctor.Warning(errors.New(renamed))
	}
	return e.Project.File.ID, nil
}

// ports reports one that something else than the project's proxy holds.
func (e *examination) ports(ctx context.Context) (string, error) {
	if proxy, there := e.state.Current(stack.Proxy); there && proxy.State.Running {
		return "are the project's proxy's", nil
	}
	service, there := e.model.Service(stack.Proxy, "")
	if !there || !e.Info.Local {
		return "", doctor.Skipped("the proxy publishes none on this machine")
	}
	if taken := rollout.TakenPorts(ctx, service.Ports); len(taken) > 0 {
		return "", fmt.Errorf("port %d %s", taken[0], rollout.Taken(ctx, e.Engine, taken[0]))
	}
	return "are free", nil
}

func (e *examination) volumes(context.Context) (string, error) {
	for _, volume := range e.model.Volumes() {
		if owner := e.state.Owners[volume]; owner != "" {
			return "", fmt.Errorf("%s is of the project %q", volume, owner)
		}
	}
	for _, volume := range e.state.Volumes {
		if strings.HasPrefix(volume, "tale_") || strings.HasPrefix(volume, "tale-dev_") {
			return "", doctor.WithFix(doctor.Warning(fmt.Errorf("%s has a name of the oldest deployments", volume)), "it may hold data of an earlier deployment of yours; nothing here touches it")
		}
	}
	return "are this project's", nil
}

// inside lets a service look at its stack.
func (e *examination) inside(ctx context.Context, service string) (findings []doctor.Finding, well bool) {
	name := map[string]string{stack.Platform: "stack", stack.Convex: stack.Convex}[service]
	asked, there := e.state.Current(service)
	if asked.State.Paused() {
		return []doctor.Finding{{Name: name, Verdict: doctor.Skip, Detail: asked.Name + " is paused: docker unpause " + asked.Name}}, true
	}
	if !there || !asked.State.Running {
		return []doctor.Finding{{Name: name, Verdict: doctor.Skip, Detail: "no " + service + " runs: `tale deploy` starts it"}}, true
	}
	out, _, code, err := e.Engine.Exec(ctx, asked.ID, []string{service + "-entrypoint", "doctor", "--json"}, nil)
	switch {
	case code == exit.NotFound || code == exit.Usage:
		return []doctor.Finding{{Name: name, Verdict: doctor.Skip, Detail: "the image of " + asked.Name + " has no doctor"}}, true
	case err == nil:
		err = json.Unmarshal([]byte(out), &findings)
	}
	if err != nil {
		return []doctor.Finding{{Name: name, Verdict: doctor.Fail, Detail: fmt.Sprintf("%s cannot be asked: %v", asked.Name, err), Fix: "tale logs " + service}}, false
	}
	words := place.Stack{Container: e.state.Named}
	for i := range findings {
		findings[i].Name = name + ": " + findings[i].Name
		findings[i].Detail, findings[i].Fix = words.ByTale(findings[i].Detail), words.ByTale(findings[i].Fix)
	}
	return findings, code == 0
}
