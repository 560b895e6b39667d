package health

import (
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A name that leads to another service is told from the service.
func TestTheGatesNameTheirService(t *testing.T) {
	for _, service := range []string{"convex", ""} {
		var gate Gate
		response := httptest.NewRecorder()
		Endpoints{Ready: &gate, Started: &gate, Service: service}.handler().ServeHTTP(response, httptest.NewRequest("GET", "/readyz", nil))
		if got := response.Header().Get(ServiceHeader); got != service {
			t.Errorf("%q, want %q", got, service)
		}
	}
}

func TestCauseOfNoPort(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{syscall.EPERM: "seccomp", syscall.EACCES: "below 1024", syscall.EADDRINUSE: "another process"} {
		err := &net.OpError{Op: "listen", Err: os.NewSyscallError("listen", errno)}
		if got := causeOfNoPort(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q", errno, got)
		}
	}
}
