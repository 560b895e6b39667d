package rollout

import (
	"strings"
	"testing"
)

func TestAccount(t *testing.T) {
	const stamp = "2026-11-28T15:02:41.532Z ERROR "
	for _, tt := range []struct{ name, log, want string }{
		{"nothing", "boom\nboom", ""},
		{"plain", "hello\nFAILED at deploy: X\n  said     no\nmore", "FAILED at deploy: X\n  said     no"},
		{"logged", stamp + "FAILED at config\n" + stamp + "  said     no\n" + stamp + "  fix      FOO in .env, then docker compose up -d platform\n" + stamp + "ends", "FAILED at config\n  said     no\n  fix      FOO in .env, then docker compose up -d platform"},
		{"the last of two", stamp + "FAILED at a\n" + stamp + "  said     1\n2026-11-28T15:02:42.532Z INFO  starts\n" + stamp + "FAILED at b\n" + stamp + "  said     2", "FAILED at b\n  said     2"},
		{"as JSON", `{"time":"x","level":"ERROR","msg":"FAILED at b"}` + "\n" + `{"level":"ERROR","msg":"  said     2"}`, "FAILED at b\n  said     2"},
		{"by Postgres", "2026-11-29 11:45:55.622 UTC [246] LOG:  FAILED at password\n\t  said     no\n\t  fix      mend it, then: docker compose up -d\n2026-11-29 11:45:55.622 UTC [246] FATAL:  no", "FAILED at password\n  said     no\n  fix      mend it, then: docker compose up -d"},
	} {
		if got := strings.Join(account(strings.Split(tt.log, "\n")), "\n"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
