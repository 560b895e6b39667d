package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/redial"
)

// maxProbeBody bounds how much of an answer a probe reads, in bytes.
const maxProbeBody = 512

// StatusError is an answer that came but was not the right one.
type StatusError struct {
	Status int
	Body   string // its beginning, on one line
}

func (e *StatusError) Error() string {
	if e.Body == "" {
		return fmt.Sprintf("HTTP status %d", e.Status)
	}
	return fmt.Sprintf("HTTP status %d: %s", e.Status, e.Body)
}

// Prober asks a URL with connections of its own, so that a probe never rides
// on a connection that real traffic keeps alive.
type Prober struct{ client *http.Client }

// NewProber returns a Prober. It ignores proxy variables: what it asks is on
// this host or on the container network.
func NewProber() *Prober {
	return &Prober{client: httpclient.New(&http.Transport{
		DialContext:       redial.Beside((&net.Dialer{Timeout: 5 * time.Second}).DialContext),
		DisableKeepAlives: true,
	})}
}

// Get returns the beginning of the body of a 200 answer; any other status is a
// *StatusError.
func (p *Prober) Get(ctx context.Context, url string) (string, error) {
	text, _, err := p.get(ctx, url)
	return text, err
}

// get returns the headers of the answer, too, whatever its status.
func (p *Prober) get(ctx context.Context, url string) (string, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, fmt.Errorf("cannot ask %s: %w", url, err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProbeBody))
	if err != nil {
		return "", nil, fmt.Errorf("cannot read the answer of %s: %w", url, err)
	}
	text := strings.Join(strings.Fields(string(body)), " ")
	if to, err := response.Location(); err == nil && response.StatusCode < http.StatusBadRequest {
		to.RawQuery, to.User, to.Fragment = "", nil, "" // may hold a secret
		text = "redirects to " + to.String()
	}
	if response.StatusCode != http.StatusOK {
		return "", response.Header, &StatusError{Status: response.StatusCode, Body: text}
	}
	return text, response.Header, nil
}
