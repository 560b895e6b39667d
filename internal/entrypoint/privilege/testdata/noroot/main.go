// Command noroot gives up root with the data and writable folders of its first
// argument, a privilege.Drop in JSON, and prints once each what its
// threads have in their status. It is built without cgo, as what we ship is.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

func main() { os.Exit(exit.Code(run())) }

func run() error {
	var p privilege.Drop
	if err := json.Unmarshal([]byte(os.Args[1]), &p); err != nil {
		return exit.With(exit.Usage, err)
	}
	// The thread that forks is there before, as it is when a signal came early.
	supervise.Adopt()
	moreThreads(4)
	if err := p.Apply(context.Background(), logging.New(os.Stdout, logging.FormatConsole, slog.LevelInfo)); err != nil {
		fmt.Println(err)
		return err
	}
	moreThreads(4)
	fmt.Println("pid", os.Getpid())
	_, err := os.ReadDir("/proc/self/fd")
	fmt.Println("own descriptors", err == nil)
	for _, file := range []string{"/proc/self/environ", "/proc/$PPID/environ", "/proc/$PPID/mem"} {
		err := exec.Command("sh", "-c", ": <"+file).Run()
		fmt.Println("a child may read", file, err == nil)
	}
	return printThreads()
}

// moreThreads makes threads that live until the process ends.
func moreThreads(count int) {
	for range count {
		made := make(chan bool)
		go func() {
			runtime.LockOSThread()
			close(made)
			select {}
		}()
		<-made
	}
}

func printThreads() error {
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	var lines []string
	for _, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(status)) {
			name, _, _ := strings.Cut(line, ":")
			if slices.Contains([]string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"}, name) {
				lines = append(lines, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	slices.Sort(lines)
	fmt.Println("threads", len(files) >= 8)
	fmt.Println(strings.Join(slices.Compact(lines), "\n"))
	return nil
}
