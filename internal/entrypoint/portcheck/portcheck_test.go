package portcheck_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/entrypoint/portcheck"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

func TestFree(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portcheck.Port{Variable: "PORT", Network: "tcp4", Address: free.Addr().String()}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the look leaves nothing behind
		if err := portcheck.Free(t.Context(), port); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever is ready to share a port keeps us from it all the same.
func TestTaken(t *testing.T) {
	for name, address := range map[string]string{"the same address": "127.0.0.1:0", "every address": "0.0.0.0:0", "every address of both families": "[::]:0"} {
		t.Run(name, func(t *testing.T) {
			sharing := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
				return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }), err)
			}}
			other, err := sharing.Listen(context.Background(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Close() }()
			_, number, _ := net.SplitHostPort(other.Addr().String())
			port := portcheck.Port{Variable: "PORT", Network: "tcp4", Address: "127.0.0.1:" + number}
			err = portcheck.Free(t.Context(), port, portcheck.Port{Variable: "OTHER", Network: "tcp", Address: port.Address})
			if exit.Code(err) != exit.Config || !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("%v, exit code %d", err, exit.Code(err))
			}
			var own report.Explained
			if !errors.As(err, &own) {
				t.Fatal("no report")
			}
			failure := own.Report()
			if want := "cannot listen on " + port.Address + "/tcp (PORT): another process already does\n"; !strings.HasPrefix(failure.Message, want) {
				t.Errorf("message %q, want %q first", failure.Message, want)
			}
			if len(failure.Fix) != 2 || !strings.Contains(failure.Fix[1], "set OTHER to a free port") || failure.ExitCode != exit.Config {
				t.Errorf("%+v", failure)
			}
			if strings.Count(err.Error(), "; stop that process, or set ") != 2 {
				t.Errorf("error %q", err)
			}
		})
	}
}

func TestUDPIsAnotherPort(t *testing.T) {
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	port := portcheck.Port{Variable: "PORT", Network: "udp", Address: other.LocalAddr().String()}
	if err := portcheck.Free(t.Context(), port); err == nil || !strings.Contains(err.Error(), "/udp") {
		t.Errorf("taken for udp: %v", err)
	}
	port.Network = "tcp"
	if err := portcheck.Free(t.Context(), port); err != nil {
		t.Errorf("free for tcp: %v", err)
	}
}
