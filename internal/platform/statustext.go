package platform

import (
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
)

const barWidth = 24

// statusSections returns how the sections of our boot report look to people.
func statusSections() status.Sections {
	return status.Sections{envsync.Section: renderEnv, trace.Section: renderDeploy}
}

func renderEnv(v *status.View, d report.Document) error {
	env, err := report.Section[envsync.Summary](d, envsync.Section)
	if err != nil || env == nil {
		return err
	}
	v.Linef("variables  %d of %d set: %d new, %d updated, %d unchanged, %d removed; %d of the operator's own",
		env.Present, env.Declared, env.New, env.Updated, env.Unchanged, env.Removed, env.Foreign)
	for _, name := range env.Drift {
		v.Linef("  drift    %s was changed in the deployment", name)
	}
	for _, warning := range env.Warnings {
		v.Linef("  warning  %s", warning)
	}
	return nil
}

func renderDeploy(v *status.View, d report.Document) error {
	deploy, err := report.Section[trace.Deploy](d, trace.Section)
	if err != nil || deploy == nil {
		return err
	}
	if deploy.Skipped != "" {
		v.Linef("deploy     nothing to push: %s", deploy.Skipped)
		renderAfter(v, deploy.After)
		return nil
	}
	v.Linef("deploy     driver %s, attempts %d, %s", deploy.Driver, deploy.Attempts, deploy.Sent())
	var rows [][]string
	for _, s := range deploy.Stages {
		rows = append(rows, pushStage(v, s))
	}
	v.Table(rows)
	if i := deploy.Indexes; i != nil && i.Total > 0 {
		v.Linef("  indexes  %s %d of %d", bar(i.Complete, i.Total), i.Complete, i.Total)
	}
	renderAfter(v, deploy.After)
	return nil
}

// renderAfter shows the function that ran after the push, which runs also where nothing was pushed.
func renderAfter(v *status.View, a *trace.AfterDeploy) {
	switch {
	case a == nil:
	case a.Error == "":
		v.Linef("  after    %s in %s", a.Function, status.Short(time.Duration(a.DurationMS)*time.Millisecond))
	default:
		v.Linef("  after    %s failed: %s", a.Function, a.Error)
		if a.Fix != "" {
			v.Linef("           fix: %s", a.Fix)
		}
	}
}

// pushStage returns the row of one stage. Of a stage that runs and has no answer yet
// only the time is known.
func pushStage(v *status.View, s trace.PushStage) []string {
	took := time.Duration(s.DurationMS) * time.Millisecond
	sent, received := status.Size(s.BytesSent)+" sent", status.Size(s.BytesReceived)+" received"
	if s.State == report.Running {
		if s.Started != nil {
			took = v.Since(*s.Started)
		}
		if s.BytesSent == 0 && s.BytesReceived == 0 {
			sent, received = "no answer yet", ""
		}
	}
	return []string{v.Mark(s.State), s.Name, status.Short(took), sent, received}
}

func bar(done, total int) string {
	filled := barWidth * min(max(done, 0), total) / total
	return "[" + strings.Repeat("█", filled) + strings.Repeat("·", barWidth-filled) + "]"
}
