// Package taletest has what tests of tale share: a project whose stack runs on an engine in
// memory. Its command lines are run by package line.
package taletest

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Project returns the project in a folder.
func Project(t testing.TB, folder string) *project.Project {
	t.Helper()
	p, err := project.Find(folder)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Shop is a project whose stack runs on an engine in memory, with Postgres there, too.
type Shop struct {
	*enginetest.Server
	t        *testing.T
	App      *session.App
	Postgres *enginetest.Postgres
}

// Secret is its INSTANCE_SECRET, and each of its other secrets.
const Secret = "abababababababababababababababababababababababababababababababab"

// NewShop returns one, with its data.
func NewShop(t *testing.T) *Shop {
	t.Helper()
	testkit.RequireRoot(t)
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{
		"tale":      "what helpers are",
		"tale.json": `{"version": 1, "id": "shop-1", "services": ["db", "convex", "platform"]}`,
		".env":      strings.Join([]string{"SITE_URL=https://x.example\nDB_PASSWORD=", "INSTANCE_SECRET=", "BETTER_AUTH_SECRET=", "ENCRYPTION_SECRET_HEX="}, Secret+"\n") + Secret,
	})
	s := &Shop{Server: enginetest.New(t), t: t, Postgres: &enginetest.Postgres{}}
	s.App = &session.App{Environ: config.Environ{"HOME": dir, "DOCKER_HOST": s.Host()}, Folder: dir, Self: filepath.Join(dir, "tale")}
	s.SetProgram(s.Postgres.Program)
	s.SetHelper(Help)
	for service, volumes := range map[string]map[string]string{"db": nil, "convex": {"/app/data": "shop-1_convex-data"}, "platform": nil} {
		s.AddContainer(enginetest.Container{Project: "shop-1", Service: service, Name: "shop-1-" + service, Image: "x:1", Volumes: volumes, Running: true})
	}
	s.Fill("before")
	return s
}

// Help does the work of helpers in the folders of an engine in memory.
func Help(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
	if args[0] == "dial" {
		return engine.Helper(args, in, out)
	}
	folder, err := os.Readlink(filepath.Join(root, backup.VolumeFolder))
	if err != nil {
		return err
	}
	if slices.Equal(args, []string{"backup-read", "still"}) {
		args[1] = "none" // it would hold the processes of this machine
	}
	return backup.Helper(ctx, folder, args, in, out, talk)
}

// Fill gives the stack its data.
func (s *Shop) Fill(with string) {
	folder := s.Folder("shop-1_convex-data")
	if err := os.RemoveAll(folder); err != nil {
		s.t.Fatal(err)
	}
	testkit.WriteTree(s.t, folder, map[string]string{"storage/file": with, "modules/" + with: with})
	s.Postgres.Reset(map[string]string{"tale_platform": with})
}

// Run runs a command of the project.
func (s *Shop) Run(command *cobra.Command, args ...string) error {
	command.SetArgs(args)
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	command.SetIn(strings.NewReader(""))
	command.SilenceErrors, command.SilenceUsage = true, true
	return command.ExecuteContext(s.t.Context())
}

// Engine connects to its engine. The caller closes it.
func (s *Shop) Engine() *engine.Engine {
	s.t.Helper()
	e, err := engine.Connect(s.t.Context(), engine.Options{Host: s.Host(), Environ: s.App.Environ})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// Holds returns what is there: the data, what runs, and what a restore has noted.
func (s *Shop) Holds() string {
	s.t.Helper()
	var all []string
	for name, content := range s.Postgres.Contents() {
		if !strings.Contains(name, "_before_") {
			all = append(all, name+": "+content)
		}
	}
	folder := s.Folder("shop-1_convex-data")
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && entry.Name() == ".tale-restore" {
			return fs.SkipDir
		}
		if err == nil && !entry.IsDir() {
			all = append(all, path[len(folder):]+": "+testkit.ReadFile(s.t, path))
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	e := s.Engine()
	defer func() { _ = e.Close() }()
	containers, err := e.Everything(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range containers {
		if engine.IsHelper(c) {
			continue // one that was never started does nothing
		}
		all = append(all, c.Name+" runs: "+strconv.FormatBool(c.State.Running))
	}
	if _, err := os.Stat(filepath.Join(s.App.Folder, ".tale", "restoring.json")); err == nil {
		all = append(all, "a restore is under way")
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
