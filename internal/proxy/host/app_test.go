package host

import (
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
)

// A configuration keeps what was provided when it was loaded; the next one gets the
// next.
func TestAConfigurationKeepsWhatWasProvidedForIt(t *testing.T) {
	defer Provide(Process{})
	token := func(ctx caddy.Context) string {
		process, err := Of(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return process.Tokens["x"].Reveal()
	}
	first := caddytest.EmptyContext(t)
	if got := token(first); got != "" {
		t.Errorf("nothing was provided, got %q", got)
	}
	Provide(Process{Tokens: map[string]config.Secret{"x": "one"}})
	second := caddytest.EmptyContext(t)
	if got := token(second); got != "one" {
		t.Errorf("got %q", got)
	}
	Provide(Process{})
	if got := token(second); got != "one" {
		t.Errorf("a running configuration lost its token: %q", got)
	}
}
