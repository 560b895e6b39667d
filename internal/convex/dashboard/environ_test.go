package dashboard

import (
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestEnvironIsAListOfWhatIsLetThrough(t *testing.T) {
	d := &Dashboard{
		Settings: Settings{Port: 6791}, Interface: "0.0.0.0", SiteURL: "https://tale.example",
		Environ: config.Environ{"NEXT_PUBLIC_ADMIN_KEY": "canary", "SOPS_AGE_KEY": "canary", "TZ": "UTC", "HOSTNAME": "container-id", "PORT": "1"},
	}
	got := d.environ(map[string]string{"NODE_EXTRA_CA_CERTS": "/tmp/ca"})
	want := []string{"HOSTNAME=0.0.0.0", "NEXT_PUBLIC_DEPLOYMENT_URL=https://tale.example", "NEXT_PUBLIC_LOAD_MONACO_INTERNALLY=true",
		"NEXT_TELEMETRY_DISABLED=1", "NODE_ENV=production", "NODE_EXTRA_CA_CERTS=/tmp/ca", "PORT=6791", "TZ=UTC"}
	if list := slices.Sorted(slices.Values(got.List())); !slices.Equal(list, want) {
		t.Errorf("got %q", list)
	}
}
