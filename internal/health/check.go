package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// checkLimit bounds a whole health check; engines give it a few seconds.
const checkLimit = 3 * time.Second

// Check returns the healthcheck command: it asks the status port of this container
// and returns one line for people, or an error with the stage and the reason.
// Where the port is off it looks at the ready marker.
func Check(ctx context.Context, statusAddr string, markers Markers) (string, error) {
	if statusAddr == "" {
		if markers.Ready() {
			return "ready (marker " + markers.ready + ")", nil
		}
		return "", fmt.Errorf("not ready: no marker %s", markers.ready)
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	_, err := NewProber().Get(ctx, "http://"+LocalAddr(statusAddr)+"/readyz")
	var status *StatusError
	switch {
	case err == nil:
		return "ready", nil
	case errors.As(err, &status):
		return "", fmt.Errorf("not ready: %s", trimNo(status.Body))
	default:
		return "", fmt.Errorf("cannot ask the status port at %s: %s", statusAddr, Reason(err))
	}
}

func trimNo(body string) string {
	if len(body) > 4 && body[:4] == "no: " {
		return body[4:]
	}
	return body
}

// LocalAddr turns a listen address into one that can be dialled from the same
// container. It uses 127.0.0.1 and not "localhost", which may be ::1.
func LocalAddr(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
