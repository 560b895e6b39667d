package boot

import (
	"errors"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// Child is a process of a service, in an operator's words.
type Child struct {
	Name    string // in the log
	Service string // in the compose file
	Setting string // that has its command
	Command string // without secrets
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
	code, said := exit.Code(err), err.Error()
	command := fmt.Sprintf("%s (%s)", c.Command, c.Setting)
	readLog := fmt.Sprintf("read its last lines: docker compose logs %s | grep '%s |'", c.Service, c.Name)
	status, ended := supervise.Ended(err)
	failure := report.New(code, said, "the container has a limit that leaves no room for "+command,
		"raise what is named (pids_limit and ulimits in the compose file), or stop what else runs in the container")
	switch {
	case ended && status.OutOfMemory():
		failure = report.New(code, said, status.Killer(), cgroup.Raise, "or find what needs that much: "+readLog)
	case ended && status.Killer() != "":
		failure = report.New(code, said, status.Killer(), "find what on the host sends signals here (docker kill, kill, a watchdog, a security tool): dmesg, journalctl and docker events of that moment", readLog)
	case ended:
		failure = report.New(code, said, command+" ends by itself, each time it is started; its own output above says why",
			readLog, fmt.Sprintf("try another command in the same environment: docker compose run --rm %s exec -- %s", c.Service, c.Command))
	case supervise.LacksInterpreter(err):
		failure = report.New(code, said, command+" is there; the interpreter in its first line, or its loader, is not in this image",
			"put that interpreter into the image (head -1 of the file names it; of a binary: ldd), or correct its first line: line breaks of Windows behind it count as part of the name",
			fmt.Sprintf("or correct %s in .env, then: docker compose up -d %s", c.Setting, c.Service))
	case code == exit.NotFound:
		failure = report.New(code, said, command+" names a program that is not in this container, or not in the PATH of its user",
			fmt.Sprintf("correct %s in .env, or take it out (the image knows its own), then: docker compose up -d %s", c.Setting, c.Service), "or build the image again with that program")
	case code == exit.NotExecutable:
		failure = report.New(code, said, command+" is there and cannot be executed: its permissions, its first line, or a binary of another architecture",
			fmt.Sprintf("correct %s in .env, or chmod +x in the image; file and uname -m tell the architecture", c.Setting))
	}
	return failure.Err(err)
}
