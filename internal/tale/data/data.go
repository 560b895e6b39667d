// Package data has the commands for the data of a stack: backup and restore, and what deploy
// backs up before it. What they do is in package backup.
package data

import (
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// app is what all commands share, with those that are here.
type app struct{ *session.App }

// Commands returns those for the data.
func Commands(shared *session.App) []*cobra.Command {
	a := &app{shared}
	return []*cobra.Command{
		session.Reading(a.backupCommand(), session.Settings, session.EngineSettings),
		session.Reading(a.restoreCommand(), session.Settings, session.EngineSettings),
	}
}
