package command

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestFaultsEndTheProcess(t *testing.T) {
	for fault, want := range map[string]int{
		"stage=running,delay=1ms,exit=0": 0, "stage=running,exit=3": 3, "stage=running,signal=KILL": 137, "stage=start,exit=255": 255,
		"stage=running,signal=SIGABRT": 134, "stage=running,signal=TERM": 143,
	} {
		if status := command(t, nil, "--fault", fault).Wait(); status != want {
			t.Errorf("%s: exit status %d, want %d", fault, status, want)
		}
	}
}

func TestWhatKeepsItFromStarting(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	secret := strings.Repeat("0a", 32)
	for name, c := range map[string]struct {
		args   []string
		status int
		text   string
	}{
		"unknown flag":       {[]string{"--nope"}, 64, "unknown flag: --nope"},
		"two databases":      {[]string{"a", "b"}, 64, "not with 2 arguments"},
		"driver":             {[]string{"-d", "oracle"}, 64, "the drivers are sqlite"},
		"name alone":         {[]string{"--instance-name", "x"}, 64, "--instance-name requires --instance-secret"},
		"secret alone":       {[]string{"--instance-secret", secret}, 64, "--instance-secret requires --instance-name"},
		"origin alone":       {[]string{"--convex-origin", "http://x"}, 64, "--convex-origin requires --convex-site"},
		"bad fault":          {[]string{"--fault", "stage=x"}, 64, "the stages are"},
		"s3":                 {[]string{"--s3-storage"}, 64, "not simulated"},
		"short secret":       {[]string{"--instance-name", "x", "--instance-secret", "0a"}, 1, "2 characters, not 64"},
		"name with a bar":    {[]string{"--instance-name", "a|b", "--instance-secret", secret}, 1, "contains"},
		"origin's scheme":    {[]string{"--convex-origin", "x", "--convex-site", ""}, 1, "must start with http"},
		"interface":          {[]string{"-i", "::1"}, 1, "not an IPv4 address"},
		"port in use":        {[]string{"-p", port}, 1, "address already in use"},
		"site port in use":   {[]string{"--site-proxy-port", port}, 1, "address already in use"},
		"storage is a file":  {[]string{"--local-storage", "/dev/null"}, 1, "cannot make the storage folder"},
		"no folder":          {[]string{filepath.Join(t.TempDir(), "none", "db.sqlite3")}, 1, "unable to open the database file"},
		"database user":      {[]string{"-d", "postgres-v5", "postgres://h"}, 1, "username must be set"},
		"database name":      {[]string{"-d", "postgres-v5", "postgres://u:canary@h/db"}, 1, "already contains db name: /db"},
		"database URL":       {[]string{"-d", "postgres-v5", "u:canary@h"}, 1, "must be given as a server URL"},
		"database not there": {[]string{"-d", "postgres-v5", "--connect-database", fmt.Sprintf("postgres://u:canary@127.0.0.1:%s", testkit.FreePort(t))}, 1, "error connecting to server"},
	} {
		p := command(t, nil, c.args...)
		status := p.Wait()
		if status != c.status || !p.Says(c.text) || p.Says("canary") {
			t.Errorf("%s: exit status %d and %q; want %d and %q", name, status, p.Output.String(), c.status, c.text)
		}
	}
}

func TestTheBackendsFlagsAreAccepted(t *testing.T) {
	storage := filepath.Join(t.TempDir(), "deep", "storage")
	p := command(t, nil, "-d", "postgres-v5", "postgres://u:canary@db:5432", "--do-not-require-ssl", "--disable-beacon", "--redact-logs-to-client",
		"--instance-name", "tale-platform", "--instance-secret", strings.Repeat("0a", 32), "--local-storage", storage,
		"--convex-origin", "https://x.example", "--convex-site", "", "--beacon-tag", "t", "--beacon-fields", "{}", "--convex-http-proxy", "http://p")
	p.Expect("database=tale_platform")
	p.started()
	if name, err := get(t.Context(), p.url+"/instance_name"); err != nil || name != "tale-platform" {
		t.Errorf("/instance_name: %q, %v", name, err)
	}
	if _, err := os.Stat(filepath.Join(storage, "convex-sim.json")); err != nil {
		t.Error(err)
	}
	if text, err := get(t.Context(), p.site+"/version"); err != nil || text != "unknown" {
		t.Errorf("site port: %q, %v", text, err)
	}
}

func TestHelpAndVersionSayWhatItIs(t *testing.T) {
	for flag, want := range map[string]string{"--help": "It is NOT a backend", "-V": "convex-sim unknown"} {
		p := command(t, nil, flag)
		p.Expect(want)
		if status := p.Wait(); status != 0 {
			t.Errorf("%s: exit status %d", flag, status)
		}
	}
	command(t, nil).Expect("runs_functions=false")
}
