package boot

import (
	"errors"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/sys/program"
)

// Child is a process of a service, in an operator's words.
type Child struct {
	Name    string // in the log
	Service string // in the compose file
	Setting string // that has its command
	Command string // without secrets
	Folder  string // in which it runs, and the setting that names it
}

// Advise returns why the process is started again and what to do first, for a line
// (supervise.Service.Explain).
func (c Child) Advise(err error) (cause, fix string) {
	failure := report.Explain("", c.Explain(err))
	return failure.Cause, failure.Fix[0]
}

// Explain adds cause and fix to why a service whose critical child this is has ended.
func (c Child) Explain(err error) error {
	if err == nil || errors.As(err, new(report.Explained)) {
		return err
	}
	code, said, at := exit.Code(err), err.Error(), place.Here()
	command, inFolder := fmt.Sprintf("%s (%s)", c.Command, c.Setting), ""
	if c.Folder != "" {
		inFolder = "; it runs in " + c.Folder
	}
	readLog := "read its last lines: " + at.Log(c.Service) + " | grep '" + c.Name + " |'"
	status, ended := supervise.Ended(err)
	failure := report.New(code, said, "the container has a limit that leaves no room for "+command,
		"raise what is named ("+at.Limits()+"), or stop what else runs in the container")
	switch {
	case ended && status.OutOfMemory():
		failure = report.New(code, said, status.Killer(), at.RaiseMemory(""), "or find what needs that much: "+readLog)
	case ended && status.Killer() != "":
		failure = report.New(code, said, status.Killer(), at.FindKiller(), readLog)
	case ended && status.Success():
		failure = report.New(code, said, command+" ends by itself without an error: it had nothing to do, or put itself into the background, where nothing keeps it",
			"have it stay in the foreground (no &, no daemon mode; exec in a script)", readLog)
	case ended:
		failure = report.New(code, said, command+" ends by itself; its own output above says why"+inFolder,
			readLog, "try another command in the same environment: "+at.Run(c.Service, "exec -- "+c.Command))
	case supervise.LacksInterpreter(err):
		failure = report.New(code, said, command+" is there; the interpreter in its first line, or its loader, is not in this image",
			"put that interpreter into the image (head -1 of the file names it; of a binary: ldd), or correct its first line: line breaks of Windows behind it count as part of the name",
			"or correct "+c.Setting+" in "+at.Settings()+", then: "+at.Start(c.Service))
	case code == exit.NotFound:
		failure = report.New(code, said, command+" names a program that is not in this container, or not in the PATH of its user"+inFolder,
			"correct "+c.Setting+" in "+at.Settings()+", or take it out (the image knows its own), then: "+at.Start(c.Service), "or build the image again with that program")
	case code == exit.NotExecutable:
		why, fix := program.Refused(supervise.Refused(err))
		if why == "" {
			why, fix = "shows no reason: its permissions, those of a folder above it, or the program of its first line", "look at them with ls -l, as the user of this container"
		}
		failure = report.New(code, said, command+" is there and cannot be executed: it "+why, fix, "or correct "+c.Setting+" in "+at.Settings()+", then: "+at.Start(c.Service))
	}
	return failure.Err(err)
}
