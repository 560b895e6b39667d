package rollout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// portsSettle is how long an engine that was killed, and has come back, may need until its
// ports are those of a container again: their helpers end, or begin, a moment apart from it.
const portsSettle = 1500 * time.Millisecond

// ports refuses ports that something else than this project's proxy holds, and one that is
// published twice.
func (p *preflight) ports(ctx context.Context) {
	change, there := p.plan.Of(stack.Proxy)
	if !there || !slices.Contains([]Action{Create, Start, Recreate}, change.Action) {
		return
	}
	service, _ := p.model.Service(stack.Proxy, "")
	for i, port := range service.Ports {
		if slices.ContainsFunc(service.Ports[:i], func(other engine.Port) bool {
			return port.Public == other.Public && port.Protocol == other.Protocol && port.Host == other.Host
		}) {
			p.refuse(exit.Config, "port %d would be published twice: PUBLISH_HTTP and PUBLISH_HTTPS have to be two ports", port.Public)
		}
	}
	if !p.info.Local {
		return
	}
	for _, host := range hosts(service.Ports) {
		if !isOfThisHost(ctx, host) {
			p.refuse(exit.Config, "the proxy publishes its ports at %s, which is no address of this host: correct PUBLISH_HTTP and PUBLISH_HTTPS, or give the host the address", host)
		}
	}
	first := unprivilegedFrom()
	lowest := slices.MinFunc(append(slices.Clone(service.Ports), engine.Port{Public: first}), func(a, b engine.Port) int { return a.Public - b.Public }).Public
	if p.info.Rootless && lowest < first {
		p.note("the engine is rootless, and such a one may not have port %d unless its host allows it: sudo sysctl net.ipv4.ip_unprivileged_port_start=%[1]d; or set PUBLISH_HTTP and PUBLISH_HTTPS", lowest)
	}
	for _, port := range p.foreignPorts(ctx, service.Ports) {
		p.refuse(exit.Config, "port %d, which the proxy publishes, %s", port, Taken(ctx, p.engine, port))
	}
}

// hosts returns the addresses that ports are published at, each once.
func hosts(ports []engine.Port) (found []string) {
	for _, port := range ports {
		if port.Host != "" && !slices.Contains(found, port.Host) {
			found = append(found, port.Host)
		}
	}
	return found
}

// isOfThisHost reports false where nobody can listen at an address.
func isOfThisHost(ctx context.Context, address string) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(address, "0"))
	if err == nil {
		_ = listener.Close()
	}
	return !errors.Is(err, syscall.EADDRNOTAVAIL)
}

// unprivilegedFrom returns the first port that a user other than root may have, 0 where
// that is not known.
func unprivilegedFrom() (port int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err == nil {
		_, err = fmt.Sscan(string(text), &port)
	}
	if err != nil {
		return 0
	}
	return port
}

// foreignPorts returns those at which something answers that is not of this project.
func (p *preflight) foreignPorts(ctx context.Context, ports []engine.Port) (foreign []int) {
	may := func(state State) []engine.Container {
		stopped := func(c engine.Container) bool { return !c.State.Running }
		return slices.Concat(p.state.Leaving, slices.DeleteFunc(state.of(stack.Proxy), stopped))
	}
	ours := may(p.state)
	for began := time.Now(); ; {
		foreign = slices.DeleteFunc(TakenPorts(ctx, ports), func(port int) bool {
			return slices.ContainsFunc(ours, func(c engine.Container) bool { return c.Publishes(port) })
		})
		if len(foreign) == 0 || time.Since(began) > portsSettle || !pause.For(ctx, portsSettle/5) {
			return foreign
		}
		if now, err := p.engine.Containers(ctx, compose.Projects(p.plan.Project)...); err == nil { // it may have started the proxy just now
			ours = may(State{Containers: now})
		}
	}
}

// Taken says who has a port, and what frees it.
func Taken(ctx context.Context, docker *engine.Engine, port int) string {
	all, err := docker.Everything(ctx)
	const otherwise = ", or set PUBLISH_HTTP and PUBLISH_HTTPS"
	who := fmt.Sprintf("another program (ss -ltnp 'sport = :%d' names it)", port)
	if i := slices.IndexFunc(all, func(c engine.Container) bool { return c.Publishes(port) }); err == nil && i >= 0 {
		who = "the container " + all[i].Name
	} else if err == nil && forwarded(port) {
		return "is taken by a Docker engine, for no container of this one. If no other engine runs here, this one lost the container when it was killed: " + engine.Restart + otherwise
	}
	return "is taken by " + who + ": stop it" + otherwise + "; if it is of this project, put its former id into tale.json"
}

// forwarded reports whether a helper of an engine on this machine has a port.
func forwarded(port int) bool {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	return slices.ContainsFunc(lines, func(line string) bool {
		text, _ := os.ReadFile(line) // it may have ended
		args := strings.Split(string(text), "\x00")
		at := slices.Index(args, "-host-port")
		return filepath.Base(args[0]) == "docker-proxy" && at >= 0 && at+1 < len(args) && args[at+1] == strconv.Itoa(port)
	})
}

// TakenPorts returns those at which something of this host answers already.
func TakenPorts(ctx context.Context, ports []engine.Port) (taken []int) {
	for _, port := range ports {
		if port.Protocol == "udp" {
			continue
		}
		if connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", port.Address()); err == nil {
			_ = connection.Close()
			taken = append(taken, port.Public)
		}
	}
	return taken
}
