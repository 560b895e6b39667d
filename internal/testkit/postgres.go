package testkit

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const postgresPassword = "p@ss/w:rd%?#"

// StartPostgres runs a fresh server on loopback, as another user where we are root, as
// Postgres refuses to be, and returns it with its superuser tale. It may be starting yet.
// Arguments are those of the server.
func StartPostgres(t testing.TB, args ...string) *url.URL {
	t.Helper()
	bin := Postgres(t)
	dir, err := os.MkdirTemp("", "postgres") //nolint:usetesting // t.TempDir is closed to the other user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	password := filepath.Join(dir, "password")
	if err := errors.Join(os.WriteFile(password, []byte(postgresPassword+"\n"), 0o644), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	data, port := filepath.Join(dir, "data"), FreePort(t)
	if output, err := asNobody(t, bin, "initdb", "-D", data, "-U", "tale", "--pwfile", password, "-A", "scram-sha-256", "-E", "UTF8", "--locale", "C", "-N").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	own := []string{"-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + dir, "-c", "fsync=off"}
	server := asNobody(t, bin, "postgres", append(own, args...)...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
	})
	return &url.URL{Scheme: "postgresql", User: url.UserPassword("tale", postgresPassword), Host: net.JoinHostPort("127.0.0.1", port)}
}

func asNobody(t testing.TB, bin, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, name), args...)
	command.Dir, command.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	command.SysProcAttr = endsWithUs()
	if os.Geteuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return command
}
