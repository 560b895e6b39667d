package health_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient/hostile"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A service that is waited for may be replaced meanwhile, and what was sent to the one before is lost.
func TestAProbeThatHangsIsTriedAgain(t *testing.T) {
	address := testkit.SilentAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	var probing sync.WaitGroup
	probing.Go(func() { _, _ = health.NewProber().Get(ctx, "http://"+address) })
	port := netip.MustParseAddrPort(address).Port()
	testkit.Eventually(t, "a second connection is tried beside the first", func() bool { return testkit.Knocking(t, port) > 1 })
	stop()
	probing.Wait()
}

func TestAProbeEndsWhateverTheServerDoes(t *testing.T) {
	prober := health.NewProber()
	hostile.Try(t, 0, func(ctx context.Context, url string) { _, _ = prober.Get(ctx, url) })
}
