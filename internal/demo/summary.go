package demo

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
)

// summary tells what came of the boot.
func (s *stack) summary(platform status.Document, took time.Duration) {
	s.screen.linef("")
	for _, line := range bootLines(platform) {
		s.screen.linef("  %s", line)
	}
	if kinds := s.environment.kinds; kinds != "" {
		s.screen.linef("             %s", kinds)
	}
	s.screen.linef("  backend    %s", s.environment.backend)
	if not := s.environment.backend.leavesOut(s.environment.kinds); not != "" {
		s.screen.linef("             %s", not)
	}
	s.screen.linef("")
	s.screen.linef("  Ready in %s:  %s", seconds(took), s.screen.bold(s.environment.id.siteURL()+"/"))
	s.screen.linef("")
}

// invitation tells how to look at the running stack.
func (s *stack) invitation() {
	folder := s.environment.folder
	s.screen.linef("  The certificate comes from the proxy's own authority. Import its root into the browser,")
	s.screen.linef("  click through the warning, or: curl --cacert %s %s/", folder.join(rootFile), s.environment.id.siteURL())
	s.screen.linef("  Logs are in %s", folder.join("logs"))
	s.screen.linef("  From another terminal (also: doctor, and convex-entrypoint with convex.env):")
	s.screen.linef("    %s --env-file %s status", filepath.Join(s.environment.options.Bin, "platform-entrypoint"), folder.environmentOf(platformName))
	s.screen.linef("  Ctrl-C stops everything.")
}

func bootLines(platform status.Document) []string {
	env, deploy, err := pushOf(platform.Document)
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	if env != nil {
		lines = append(lines, "variables  "+envText(env))
	}
	if deploy != nil {
		lines = append(lines, "functions  "+deployText(deploy)+stagesText(deploy))
	}
	return lines
}

// pushOf returns what the platform's report says of its push.
func pushOf(document report.Document) (*envsync.Summary, *trace.Deploy, error) {
	env, err := report.Section[envsync.Summary](document, envsync.Section)
	if err != nil {
		return nil, nil, err
	}
	deploy, err := report.Section[trace.Deploy](document, trace.Section)
	return env, deploy, err
}

func envText(env *envsync.Summary) string {
	return fmt.Sprintf("%d of %d: %d new, %d updated, %d unchanged, %d removed",
		env.Present, env.Declared, env.New, env.Updated, env.Unchanged, env.Removed)
}

func deployText(deploy *trace.Deploy) string {
	if deploy.Skipped != "" {
		return fmt.Sprintf("nothing to push, by the %s driver: %s", deploy.Driver, deploy.Skipped)
	}
	var parts []string
	// A backend that does not evaluate modules, as the simulator, counts none.
	if deploy.Functions > 0 {
		parts = append(parts, fmt.Sprintf("%d deployed", deploy.Functions))
	}
	parts = append(parts, deploy.Driver+" driver", deploy.Sent())
	if indexes := deploy.Indexes; indexes != nil && indexes.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d indexes built", indexes.Complete, indexes.Total))
	}
	return strings.Join(parts, ", ")
}

// stagesText tells how long each stage of the push took.
func stagesText(deploy *trace.Deploy) string {
	var text strings.Builder
	for _, stage := range deploy.Stages {
		fmt.Fprintf(&text, ", %s %dms", stage.Name, stage.DurationMS)
	}
	return text.String()
}
