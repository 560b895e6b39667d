package stack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
)

func TestDiffers(t *testing.T) {
	site := stack.Site{SiteURL: "https://tale.test", TLSMode: stack.TLSSelfSigned}
	database := stack.Database{Storage: stack.StoragePostgres, Host: "db", Port: 5432, User: "tale", Password: "canary"}
	whole := stack.SharedBy(site, database)
	other, external, elsewhere, sqlite := site, site, database, database
	other.SiteURL, external.TLSMode, elsewhere.Host, sqlite.Storage = "https://other.test", stack.TLSExternal, "db2", stack.StorageSQLite
	for name, tt := range map[string]struct {
		with stack.Shared
		want string
	}{
		"equal":           {stack.SharedBy(site, database), ""},
		"another site":    {stack.SharedBy(other, database), "SITE_URL"},
		"another mode":    {stack.SharedBy(external, database), "TLS_MODE"},
		"another server":  {stack.SharedBy(site, elsewhere), "POSTGRES_URL or DB_HOST and DB_PORT"},
		"another storage": {stack.SharedBy(site, sqlite), "CONVEX_STORAGE"},
		"no password":     {stack.SharedBy(site, stack.Database{Storage: stack.StoragePostgres, Host: "not-db", Port: 5432}), ""},
		"an older image":  {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(whole.Differs(tt.with), ", "); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
	for _, value := range whole {
		if slices.Contains([]string{"canary"}, value) || strings.Contains(value, "canary") {
			t.Errorf("%q has the password", value)
		}
	}
}
