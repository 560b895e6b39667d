package rollout_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAPortThatIsTaken: of the address that is published, not of another one.
func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(testkit.Listen(t, func(net.Conn) {}))
	h := newHost(t)
	h.settings = map[string]string{"PUBLISH_HTTPS": port, "PUBLISH_HTTP": "1"}
	if err := h.unfit("1.0.0"); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "port "+port) {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
}

// TestAnAddressThatTheHostDoesNotHave is refused before anything is made. The addresses are those
// of documentation.
func TestAnAddressThatTheHostDoesNotHave(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for address, want := range map[string]int{"192.0.2.7:1": exit.Config, "[2001:db8::7]:1": exit.Config, "127.0.0.1:1": 0, "1": 0} {
		h.settings = map[string]string{"PUBLISH_HTTPS": address, "PUBLISH_HTTP": "2"}
		if err := h.unfit("1.0.0"); exit.Code(err) != want || want != 0 && !strings.Contains(err.Error(), "which is no address of this host") {
			t.Errorf("%s: exit code %d: %v", address, exit.Code(err), err)
		}
	}
}

// TestAPortThatIsGivenUp: an engine that was killed has left its helper for a moment. It
// is not parallel to others, which could take the port.
func TestAPortThatIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := listener.Accept(); err == nil {
			_ = c.Close()
		}
		_ = listener.Close()
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	h := newHost(t)
	h.settings = map[string]string{"PUBLISH_HTTPS": port, "PUBLISH_HTTP": "1"}
	if err := h.unfit("1.0.0"); err != nil {
		t.Error(err)
	}
}

// TestAPortOfAContainer is said of it, since the engine's own program holds it for all; also
// where the proxy runs and would only move.
func TestAPortOfAContainer(t *testing.T) {
	t.Parallel()
	port := netip.MustParseAddrPort(testkit.Listen(t, func(net.Conn) {})).Port()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.AddContainer(enginetest.Container{Name: "blog", Image: "blog:1", Running: true, Port: port})
	h.settings = map[string]string{"PUBLISH_HTTP": strconv.Itoa(int(port))}
	if err := h.unfit("1.0.0"); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), fmt.Sprintf("port %d, which the proxy publishes, is taken by the container blog:", port)) {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
}

func TestAPortForTwo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.settings = map[string]string{"PUBLISH_HTTPS": "1", "PUBLISH_HTTP": "1"}
	if err := h.unfit("1.0.0"); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "port 1 would be published twice") {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
}

// TestAPortOfALostContainer: the engine alone can close it.
func TestAPortOfALostContainer(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(testkit.Listen(t, func(net.Conn) {}))
	forwarding := exec.Command("sh")
	forwarding.Args = []string{"/usr/bin/docker-proxy", "-c", "read end", "-proto", "tcp", "-host-port", port, "-container-port", "80"}
	held, err := forwarding.StdinPipe()
	if err = errors.Join(err, forwarding.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close(); _ = forwarding.Wait() })
	h := newHost(t)
	h.settings = map[string]string{"PUBLISH_HTTP": port}
	if err := h.unfit("1.0.0"); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "port "+port+", which the proxy publishes, is taken by a Docker engine, for no container of this one.") || !strings.Contains(err.Error(), "systemctl restart docker") {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
}
