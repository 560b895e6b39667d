package data

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAServerElsewhereIsChecked where there is the authority of its certificate, which the
// container that lends its programs gets.
func TestAServerElsewhereIsChecked(t *testing.T) {
	authority := filepath.Join(t.TempDir(), "ca.pem")
	testkit.WriteTree(t, filepath.Dir(authority), map[string]string{"ca.pem": "the authority"})
	for address, want := range map[string]string{
		"postgresql://u:p@db.example":                 "verify-full " + lentAuthority,
		"postgresql://u:p@db.example?sslmode=require": "verify-full " + lentAuthority,
		"postgresql://u:p@db.example?sslmode=prefer":  "prefer ",
		"postgresql://u:p@db.example?sslmode=disable": "disable ",
	} {
		for file, want := range map[string]string{authority: want, "/there/is/none": strings.Replace(want, "verify-full "+lentAuthority, "require ", 1)} {
			settings := database.Settings{}
			if err := config.Load(&settings, config.Environ{"POSTGRES_URL": address, "PG_CA_FILE": file}); err != nil {
				t.Fatal(err)
			}
			server, err := settings.Server()
			if err != nil {
				t.Fatal(err)
			}
			got := loginVariables(server, settings.Authority())
			if said := got["PGSSLMODE"] + " " + got["PGSSLROOTCERT"]; said != want {
				t.Errorf("%s with %s: %q, want %q", address, file, said, want)
			}
		}
	}
	s, lent := newShop(t), ""
	env := filepath.Join(s.app.Folder, ".env")
	testkit.WriteTree(t, s.app.Folder, map[string]string{".env": testkit.ReadFile(t, env) + "\nPOSTGRES_URL=postgresql://u:p@db.example\nPG_CA_FILE=" + authority})
	opened, err := s.App.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s.AddImage(enginetest.Image{Tags: []string{databaseImage(opened)}})
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		if slices.Contains(command, lentAuthority) {
			text, _ := io.ReadAll(in)
			lent = string(text)
			return 0
		}
		return s.Postgres.Program(container, command, in, out, errs)
	})
	if err := s.Run(s.app.backupCommand(), filepath.Join(s.app.Folder, "b.tar")); err != nil || lent != "the authority" {
		t.Errorf("lent was %q: %v", lent, err)
	}
}
