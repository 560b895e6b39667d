package clitest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	outputVariable  = "TALE_TEST_CLI_OUTPUT"
	requestVariable = "TALE_TEST_CLI_REQUEST"
)

// Ways to behave.
const (
	Deploys     = "cli deploys"
	GivesUp     = "cli gives up" // before any request
	DoesNothing = "cli does nothing"
	IsKilled    = "cli is killed"
	Lingers     = "cli lingers" // with a child, deaf to SIGTERM
	sleeps      = "cli sleeps"
)

// Programs returns what testkit.Main runs: the ways to behave.
func Programs() map[string]func() int {
	return map[string]func() int{
		Deploys: described(deploys), GivesUp: described(givesUp), IsKilled: described(isKilled), Lingers: described(lingers),
		DoesNothing: described(func() int { return 0 }),
		sleeps:      sleep,
	}
}

// Options run the test binary as a CLI that behaves in the given way.
func Options(t testing.TB, way string, environ ...string) convexcli.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return convexcli.Options{
		Command: []string{self},
		AppDir:  t.TempDir(),
		Environ: append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", testkit.RoleVariable + "=" + way}, environ...),
	}
}

// Requesting returns the variable by which a CLI that deploys knows the push request
// that it bundles, so to speak.
func Requesting(request string) string { return requestVariable + "=" + request }

// Describing returns the variable by which the CLI knows where to write its
// Description.
func Describing(path string) string { return outputVariable + "=" + path }

// Description is what the CLI was started with.
type Description struct {
	Args    []string
	Dir     string
	Environ []string
	PID     int
	Group   int
}

// AwaitDescription waits until the CLI has described itself.
func AwaitDescription(t testing.TB, path string) (d Description) {
	t.Helper()
	testkit.Eventually(t, "the CLI runs", func() bool {
		data, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(data, &d) == nil
	})
	return d
}

// described describes the process before it does anything.
func described(program func() int) func() int {
	return func() int {
		if path := os.Getenv(outputVariable); path != "" {
			dir, _ := os.Getwd()
			data, _ := json.Marshal(Description{os.Args[1:], dir, os.Environ(), os.Getpid(), syscall.Getpgrp()})
			if err := os.WriteFile(path+".part", data, 0o600); err != nil {
				return 9
			}
			if err := os.Rename(path+".part", path); err != nil {
				return 9
			}
		}
		return program()
	}
}

func deploys() int {
	if Push(os.Environ(), os.Stderr) != nil {
		return 1
	}
	return 0
}

func givesUp() int {
	_, _ = fmt.Fprintln(os.Stderr, "\x1b[31m✖\x1b[39m Could not resolve \"./missing\"")
	_, _ = fmt.Fprintln(os.Stderr, "Error: getaddrinfo ENOTFOUND o1192621.ingest.sentry.io")
	return 1
}

func isKilled() int {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	return sleep()
}

func lingers() int {
	signal.Ignore(syscall.SIGTERM)
	child := exec.Command(os.Args[0]) //nolint:noctx // it outlives everything but its group
	child.Env = append(os.Environ(), testkit.RoleVariable+"="+sleeps)
	if err := child.Start(); err != nil {
		return 9
	}
	return sleep()
}

func sleep() int {
	<-make(chan os.Signal)
	return 0
}
