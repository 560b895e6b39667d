package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	proxyhealth "github.com/tale-project/tale-runtime/internal/proxy/health"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// statusLimit is far more than the document of a proxy, in bytes.
const statusLimit = 1 << 20

func statusCommand(load func() (*Settings, error)) *cobra.Command {
	var asJSON bool
	status := command(&cobra.Command{
		Use: "status", Short: "Show where requests go, and what is under way",
		Long: "Show where requests go, and what is under way." + cli.Ends("0 done", exit.Unavailable, exit.Config),
	}, load, func(ctx context.Context, command *cobra.Command, s *Settings) error {
		document, err := fetchStatus(ctx, s)
		if err != nil {
			return err
		}
		out := command.OutOrStdout()
		if asJSON {
			encoder := json.NewEncoder(out)
			encoder.SetIndent("", "  ")
			return encoder.Encode(document)
		}
		return writeStatus(out, document, time.Now())
	})
	status.Flags().BoolVar(&asJSON, "json", false, "print the JSON document")
	return status
}

// fetchStatus asks the running proxy. One that cannot serve says so in its document.
func fetchStatus(ctx context.Context, s *Settings) (*proxyhealth.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	url := "http://" + httpclient.LocalAddr(s.HealthAddr) + routes.HealthPath + "?" + stack.ProxyStatusQuery
	unreachable := func(err error) error {
		return exit.Errorf(exit.Unavailable, "cannot ask the running proxy at %s: %s; is it running, and with the same PROXY_HEALTH_ADDR?", url, netcause.Reason(err))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, unreachable(err)
	}
	response, err := httpclient.New(&http.Transport{DisableKeepAlives: true}).Do(request)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	document := &proxyhealth.Document{}
	if err := json.NewDecoder(io.LimitReader(response.Body, statusLimit)).Decode(document); err != nil {
		return nil, unreachable(fmt.Errorf("its answer %s is not that of a proxy: %w", response.Status, err))
	}
	return document, nil
}

func writeStatus(out io.Writer, document *proxyhealth.Document, now time.Time) error {
	for _, state := range document.Certificates {
		_, _ = fmt.Fprintln(out, state)
	}
	for _, upstream := range document.Upstreams {
		if err := writeUpstream(out, upstream, now); err != nil {
			return err
		}
	}
	return nil
}

func writeUpstream(out io.Writer, u upstreams.State, now time.Time) error {
	available := "available"
	if !u.Available {
		available = "not available"
	}
	_, _ = fmt.Fprintf(out, "%s  %s for %s", u.Upstream, available, age(now, u.Since))
	if u.Resolver != "" {
		_, _ = fmt.Fprintf(out, "; its name cannot be resolved: %s", u.Resolver)
	}
	_, _ = fmt.Fprintln(out)
	if len(u.Addresses) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "  ADDRESS\tROLE\tFOR\tVERSION\tREQUESTS\tSOCKETS\tOFFERED\tLAST PROBE")
	for _, a := range u.Addresses {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", a.Address, a.Role(), age(now, a.Since), cmp.Or(a.Version, "–"),
			a.Requests, a.Sockets, a.Offered, cmp.Or(a.Reason, fmt.Sprintf("passed in %s", time.Duration(a.Took*float64(time.Second)).Round(time.Millisecond))))
	}
	return table.Flush()
}

func age(now, since time.Time) time.Duration { return max(now.Sub(since), 0).Round(time.Second) }
