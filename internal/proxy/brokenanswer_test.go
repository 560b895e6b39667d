package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Caddy logs the whole request when an upstream breaks off its answer.
func TestABrokenAnswerIsLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	const secret = "not-for-the-log"
	broken := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	p := spawnReady(t, environ(t, config.Environ{"PLATFORM_UPSTREAM": echo(t, "platform", broken)}))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base()+"/x?token="+secret+"&adminKey="+secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"X-Do": {"1"}, "Authorization": {"Bearer " + secret}, "X-Api-Key": {secret}}
	if response, err := p.client.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	p.Expect("the answer was broken off")
	for line := range strings.Lines(p.Output.String()) {
		if strings.Contains(line, secret) {
			t.Errorf("it logs a secret: %s", line)
		}
		if strings.Contains(line, "aborting with incomplete response") && !strings.Contains(line, "request_id=") {
			t.Errorf("the request is not known: %s", line)
		}
	}
}
