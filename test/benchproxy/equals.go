package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/stack"
)

const (
	// equalTime is how long an equal takes for a request, and equalSlots how many it
	// serves at once: as a JavaScript server that burns the time. It waits instead, since
	// it would take the processor from the proxy.
	equalTime  = 5 * time.Millisecond
	equalSlots = 1
	equalsName = "equals.test"
)

// equalHandler serves as much as one process of an application can, and no more.
func equalHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(stack.PlatformHealth, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(health.VersionHeader, "bench") })
	mux.Handle("/", limited(equalSlots, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(equalTime)
		_, _ = io.WriteString(w, "done")
	})))
	return mux
}

// compareEquals puts one load on 1, 2 and 4 upstreams of one version, behind stock Caddy
// with least_conn and behind ours.
func (s *stand) compareEquals(ctx context.Context, out io.Writer) error {
	dns, err := upstreamstest.StartDNS(func(error) {}) // an upstream that cannot be resolved fails the load
	if err != nil {
		return err
	}
	defer dns.Close()
	t := newTable(out, fmt.Sprintf("upstreams of one version, %.0f req/s each", equalSlots/equalTime.Seconds()), "", "req/s", "p50", "p99", "times one")
	one := map[string]float64{}
	for _, n := range []int{1, 2, 4} {
		results, err := s.equals(ctx, dns, n)
		if err != nil {
			return fmt.Errorf("%d upstreams: %w", n, err)
		}
		for _, name := range []string{stock, ours} {
			all := results[name]
			if n == 1 {
				one[name] = median(all, rate)
			}
			t.row(fmt.Sprint(n), name, fmt.Sprintf("%.0f", median(all, rate)), short(median(all, p50)), short(median(all, p99)), fmt.Sprintf("%.2f", median(all, rate)/one[name]))
		}
	}
	return t.end()
}

// equals measures n upstreams behind contenders of their own.
func (s *stand) equals(ctx context.Context, dns *upstreamstest.DNS, n int) (map[string][]result, error) {
	var ips []string
	for i := range n {
		ips = append(ips, fmt.Sprintf("127.0.77.%d", 1+i))
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(s.work, "equals-")
	if err != nil {
		return nil, err
	}
	e := &stand{o: s.o, work: work, ports: map[string]string{}, servers: map[string]*process{}}
	defer e.close()
	e.env = append(append(e.env, s.env...), "PLATFORM_UPSTREAM="+equalsName+":"+ports[0], "UPSTREAM_RESOLVER="+dns.Addr())
	var addresses []string
	for _, ip := range ips {
		addresses = append(addresses, net.JoinHostPort(ip, ports[0]))
	}
	if err := e.startEquals(ctx, addresses); err != nil {
		return nil, err
	}
	dns.Set(equalsName, ips...)
	if err := e.startContender(ctx, ours); err != nil {
		return nil, err
	}
	if err := e.startLeastConn(ctx, ports[1], addresses); err != nil {
		return nil, err
	}
	results := map[string][]result{}
	for range s.o.rounds {
		for _, name := range []string{stock, ours} {
			r, err := e.run(ctx, name, load{answer: "work", protocol: "h1", connections: 64})
			if err != nil {
				return nil, err
			}
			results[name] = append(results[name], r)
		}
	}
	return results, nil
}

func (s *stand) startEquals(ctx context.Context, addresses []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := start(ctx, "equals", s.env, self, "upstream", "--equals", strings.Join(addresses, ","))
	if err != nil {
		return err
	}
	s.others = append(s.others, p)
	for _, address := range addresses {
		if err := awaitPort(ctx, address); err != nil {
			return err
		}
	}
	return nil
}

// startLeastConn runs stock Caddy with the balancing that its manual recommends for
// requests of different lengths.
func (s *stand) startLeastConn(ctx context.Context, port string, addresses []string) error {
	path := filepath.Join(s.work, "leastconn.caddyfile")
	text := "{\n\tadmin off\n\tpersist_config off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_sni localhost\n}\n" +
		"https://localhost:" + port + " {\n\ttls internal\n\tlog\n\treverse_proxy " + strings.Join(addresses, " ") + " {\n\t\tlb_policy least_conn\n\t}\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	p, err := start(ctx, stock, append(s.env, "XDG_DATA_HOME="+s.work, "XDG_CONFIG_HOME="+s.work), s.o.program("caddy-stock"), "run", "--config", path, "--adapter", "caddyfile")
	if err != nil {
		return err
	}
	s.ports[stock], s.servers[stock] = port, p
	return s.awaitAnswer(ctx, stock)
}
