package health_test

import (
	"context"
	"testing"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/net/httpclient/hostile"
)

func TestAProbeEndsWhateverTheServerDoes(t *testing.T) {
	prober := health.NewProber()
	hostile.Try(t, 0, func(ctx context.Context, url string) { _, _ = prober.Get(ctx, url) })
}
