package stack_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
)

func TestDiffers(t *testing.T) {
	site := stack.Site{SiteURL: "https://tale.test", TLSMode: stack.TLSSelfSigned}
	database := stack.Database{Storage: stack.StoragePostgres, Host: "db", Port: 5432, User: "tale", Password: "canary"}
	whole := stack.SharedBy(site, database)
	other, below, nowhere, elsewhere, sqlite := site, site, site, database, database
	other.SiteURL, below.BasePath, nowhere.SiteURL, elsewhere.Host, sqlite.Storage = "https://other.test", "/tale", "", "db2", stack.StorageSQLite
	url := database
	url.PostgresURL = "postgresql://tale:canary@db:5432"
	for name, tt := range map[string]struct {
		with stack.Shared
		want string
	}{
		"equal":           {stack.SharedBy(site, database), ""},
		"another site":    {stack.SharedBy(other, database), "SITE_URL with BASE_PATH"},
		"another path":    {stack.SharedBy(below, database), "SITE_URL with BASE_PATH"},
		"no site":         {stack.SharedBy(nowhere, database), ""},
		"the same as URL": {stack.SharedBy(site, url), ""},
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
	for _, shared := range []stack.Shared{whole, stack.SharedBy(site, url)} {
		for _, value := range shared {
			if strings.Contains(value, "canary") {
				t.Errorf("%q has the password", value)
			}
		}
	}
}
