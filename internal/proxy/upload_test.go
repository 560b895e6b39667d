package proxy

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
)

// An upload that has begun is finished, also when the proxy is told to stop in
// the middle of it.
func TestARunningUploadFinishesOnStop(t *testing.T) {
	t.Parallel()
	const half = 1 << 20
	arrived := make(chan struct{})
	store := func(w http.ResponseWriter, r *http.Request) {
		first, _ := io.CopyN(io.Discard, r.Body, half)
		close(arrived)
		rest, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, first+rest, err)
	}
	p := spawnReady(t, environ(t, config.Environ{"CONVEX_UPSTREAM": echo(t, "backend", store), "SHUTDOWN_GRACE_SECONDS": "20"}))
	body, more := io.Pipe()
	answer := make(chan string, 1)
	go func() {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", p.base()+"/api/storage/upload?token=x", body)
		request.Header.Set("X-Do", "1")
		response, err := p.client.Do(request)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		got, _ := io.ReadAll(response.Body)
		answer <- string(got)
	}()
	_, _ = io.Copy(more, zeros(half))
	<-arrived
	p.Signal(syscall.SIGTERM)
	p.awaitClosed()
	_, _ = io.Copy(more, zeros(half))
	_ = more.Close()
	if got, want := <-answer, fmt.Sprint(2*half, nil); got != want {
		t.Errorf("the upload got %q, want %q", got, want)
	}
	if code := p.WaitWithin(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
