package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

const (
	loopbackAlone = "the web server listens on the loopback address alone, where a proxy in another container does not reach it"
	listenOnAll   = "have it listen on all addresses: HOSTNAME=0.0.0.0, --host or what it calls that"
	// loopbackLimit bounds the connection to an address of our own.
	loopbackLimit = time.Second
)

// listensForOthers reports false where the web server refuses what comes to this container's own
// address. On a machine without containers the proxy comes from the loopback address, too.
func (s *session) listensForOthers(ctx context.Context) bool {
	return place.Here().Self() == "" || othersReach(ctx, s.settings.Boot.StatusAddr, s.settings.Web.Port)
}

// othersReach reports false where a port is refused at this container's own address. A status
// port that is for this machine alone says that there is no proxy elsewhere.
func othersReach(ctx context.Context, statusAddr string, port int) bool {
	host, _, err := net.SplitHostPort(statusAddr)
	own, there := netcause.OwnAddress()
	if err != nil || !there || host != "" && host != "0.0.0.0" && host != "::" {
		return true
	}
	conn, err := (&net.Dialer{Timeout: loopbackLimit}).DialContext(ctx, "tcp", net.JoinHostPort(own.String(), strconv.Itoa(port)))
	if err == nil {
		_ = conn.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED)
}

// checkListening warns only: a proxy may share the network of this container.
func (s *session) checkListening(ctx context.Context) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.settings.Web.Port))
	if err != nil {
		return "", doctor.Skipped("it is not up")
	}
	_ = conn.Close()
	if !s.listensForOthers(ctx) {
		return "", doctor.Warning(doctor.WithFix(errors.New(loopbackAlone), listenOnAll))
	}
	return fmt.Sprintf("it is reached on port %d", s.settings.Web.Port), nil
}
