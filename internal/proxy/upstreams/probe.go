package upstreams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/redial"
)

// probeBodyLimit caps what is read of a health answer.
const probeBodyLimit = 16 << 10

// outcome is what one probe says about an address.
type outcome int

const (
	passed   outcome = iota // the status was 200
	failed                  // the address answered something else, or refused
	timedOut                // no answer in time
)

var outcomeNames = [...]string{passed: "pass", failed: "fail", timedOut: "timeout"}

func (o outcome) String() string { return outcomeNames[o] }

// verdict is the result of one probe.
type verdict struct {
	outcome   outcome
	reason    string    // why it did not pass
	connected bool      // the connection was made, whatever came after
	started   time.Time // when the probe began
	took      time.Duration
	boot      time.Time // when the service started, if its answer says so
	version   string    // of the service, if its answer says so
	colour    string    // of a deployment in two colours, if its answer says so
	refused   bool      // nothing listens there

	instance string // which container answers, if it says so

	foreign bool // it is the path of a status port, and none of ours answers

	bootFailed bool // the service says that its start has failed
}

// probeClient asks addresses for their health. It shares nothing with the
// traffic: a connection of its own for every probe, so that an answer always
// comes from the address that was asked and from the process that listens now.
type probeClient struct {
	http    *http.Client
	target  target
	host    string
	timeout time.Duration
}

func newProbeClient(t target, host string, timeout time.Duration) *probeClient {
	return &probeClient{
		target:  t,
		host:    host,
		timeout: timeout,
		http: httpclient.New(&http.Transport{
			DialContext:            redial.Beside((&net.Dialer{Timeout: timeout, KeepAlive: -1}).DialContext),
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: probeBodyLimit,
		}),
	}
}

// probe asks one address once.
func (c *probeClient) probe(ctx context.Context, at netip.AddrPort) verdict {
	v := verdict{started: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { v.connected = true },
	})
	body, header, err := c.get(ctx, at)
	v.took = time.Since(v.started)
	v.instance = header.Get(health.InstanceHeader)
	v.version, v.colour = header.Get(health.VersionHeader), header.Get(health.ColourHeader)
	if service := header.Get(health.ServiceHeader); err == nil && c.target.isStatusPort() && service == stack.Convex {
		err = fmt.Errorf("the status port there is that of %s, which is no web application", service)
	}
	switch {
	case err == nil:
		v.boot = bootTime(body, v.started)
		v.foreign = c.target.isStatusPort() && header.Values(health.VersionHeader) == nil
	case isTimeout(err):
		v.outcome = timedOut
		v.reason = timeoutReason(v.connected, c.timeout)
	default:
		v.outcome = failed
		v.reason = reasonOf(err)
		v.refused = errors.Is(err, syscall.ECONNREFUSED)
		v.bootFailed = saysFailed(body)
	}
	return v
}

// reach returns the verdict of a probe that was passed on another port than requests
// go to, or that nothing takes requests there. It is asked once: what listened on
// both belongs together.
func (c *probeClient) reach(ctx context.Context, at netip.AddrPort, v verdict) verdict {
	if c.target.port == 0 || c.target.port == at.Port() {
		return v
	}
	dialer := net.Dialer{Timeout: c.timeout}
	conn, err := dialer.DialContext(ctx, "tcp", at.String())
	if err != nil {
		v.outcome, v.reason = failed, fmt.Sprintf("%s passed, and port %d: %s", c.target.url(at), at.Port(), reasonOf(err))
		return v
	}
	_ = conn.Close()
	return v
}

func (c *probeClient) get(ctx context.Context, at netip.AddrPort) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.target.url(at), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Host = c.host
	req.Header.Set("User-Agent", "tale-proxy-probe")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close() //nolint:errcheck // the connection is not used again
	body, err := io.ReadAll(io.LimitReader(res.Body, probeBodyLimit))
	if res.StatusCode != http.StatusOK {
		return body, res.Header, fmt.Errorf("status %d%s%s", res.StatusCode, whereTo(res), whyNot(body))
	}
	return body, res.Header, err
}

// saysFailed reports whether a status port says that the start of its service has
// failed. Earlier images said it in small letters.
func saysFailed(body []byte) bool {
	const failed = health.No + report.FailedAt
	return len(body) >= len(failed) && strings.EqualFold(string(body[:len(failed)]), failed)
}

// whereTo returns the site that an answer redirects to, "" for another answer: a proxy does
// that, and the upstream may be this one.
func whereTo(res *http.Response) string {
	location, err := res.Location()
	if err != nil || res.StatusCode/100 != 3 {
		return ""
	}
	return config.Excerpt(": redirects to "+location.Scheme+"://"+location.Host, longestWhy)
}

// whyNot returns the reason of a status port for the log, "" for another answer.
func whyNot(body []byte) string {
	line, _, _ := strings.Cut(string(body), "\n")
	if !strings.HasPrefix(line, health.No) {
		return ""
	}
	return config.Excerpt(": "+line, longestWhy)
}

// longestWhy is how much of a reason is kept, in bytes.
const longestWhy = 200

func isTimeout(err error) bool {
	netErr, ok := errors.AsType[net.Error](err)
	return ok && netErr.Timeout()
}

func timeoutReason(connected bool, after time.Duration) string {
	if connected {
		return fmt.Sprintf("it accepts connections and does not answer in %v", after)
	}
	return fmt.Sprintf("no connection in %v", after)
}

// reasonOf drops what http.Client and the dialer put before the cause: the log
// line names the address already.
func reasonOf(err error) string {
	switch kind, why := netcause.Of(err); kind {
	case netcause.Protocol:
		return notHTTP(err)
	case netcause.Closed, netcause.Reset:
		return why
	}
	if opErr, ok := errors.AsType[*net.OpError](err); ok {
		return opErr.Err.Error()
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return urlErr.Err.Error()
	}
	return err.Error()
}

// notHTTP returns what an address speaks instead: the beginning of a TLS alert, which is
// what a TLS server answers to plain HTTP, is known; anything else is quoted.
func notHTTP(err error) string {
	_, quoted, _ := strings.Cut(err.Error(), "malformed HTTP ")
	if strings.Contains(quoted, `"\x15\x03`) {
		return "it speaks TLS, and upstreams are asked in plain HTTP: name its port for that"
	}
	return config.Excerpt("it does not speak HTTP: malformed HTTP "+quoted, longestWhy)
}

// bootTime reads when the service started from a health answer in JSON:
// "started" (RFC 3339) or "uptime" (seconds). It decides between addresses that
// were all there when the proxy started, and nothing else.
func bootTime(body []byte, now time.Time) time.Time {
	var said struct {
		Started time.Time `json:"started"`
		Uptime  float64   `json:"uptime"`
	}
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, &said) != nil {
		return time.Time{}
	}
	if said.Started.IsZero() && said.Uptime > 0 {
		return now.Add(-time.Duration(said.Uptime * float64(time.Second)))
	}
	return said.Started
}
