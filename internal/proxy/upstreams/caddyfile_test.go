package upstreams

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCaddyfile(t *testing.T) {
	var got Source
	err := got.UnmarshalCaddyfile(caddyfile.NewTestDispenser(`probed platform:3000 /api/health {
		host     tale.example
		interval 500ms
		timeout  1s
		passes   3
		timeouts 4
		hold     5s
		start    100ms
		resolver 127.0.0.1:53
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Source{
		Upstream: "platform:3000", Probe: "/api/health", Host: "tale.example",
		Interval: caddy.Duration(500 * time.Millisecond), Timeout: caddy.Duration(time.Second),
		Passes: 3, Timeouts: 4,
		Hold: caddy.Duration(5 * time.Second), Start: caddy.Duration(100 * time.Millisecond),
		Resolver: "127.0.0.1:53",
	}
	if got != want {
		t.Errorf("got %+v", got)
	}
}

func TestCaddyfileRefusals(t *testing.T) {
	for _, input := range []string{
		"probed",
		"probed platform:3000 /health more",
		"probed platform:3000 {\n probe\n}",
		"probed platform:3000 {\n interval soon\n}",
		"probed platform:3000 {\n passes two\n}",
		"probed platform:3000 {\n unheard of\n}",
	} {
		if err := new(Source).UnmarshalCaddyfile(caddyfile.NewTestDispenser(input)); err == nil {
			t.Errorf("%q is accepted", input)
		}
	}
}
