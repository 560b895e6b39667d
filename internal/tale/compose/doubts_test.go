package compose_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// TestDoubts: what is valid and rarely meant is said, and what may well be meant is not.
func TestDoubts(t *testing.T) {
	for name, tt := range map[string]struct {
		env      map[string]string
		override string
		want     string // "" for none
	}{
		"nothing":           {nil, "", ""},
		"a port alone":      {map[string]string{"SITE_URL": "https://tale.local:9443"}, "", "visitors are sent to port 9443, as SITE_URL says, and the proxy publishes 443 and 80"},
		"no port":           {map[string]string{"PUBLISH_HTTPS": "9443"}, "", "visitors are sent to port 443"},
		"a range":           {map[string]string{"SITE_URL": "https://tale.local:8443", "PUBLISH_HTTPS": "8443-8450"}, "", ""},
		"both":              {map[string]string{"SITE_URL": "https://tale.local:9443", "PUBLISH_HTTPS": "127.0.0.1:9443"}, "", ""},
		"by the override":   {map[string]string{"SITE_URL": "https://tale.local:9443"}, "services: {proxy: {ports: !override ['9443:443']}}", ""},
		"nothing published": {map[string]string{"SITE_URL": "https://tale.local:9443"}, "services: {proxy: {ports: !reset []}}", ""},
		"a terminator":      {map[string]string{"SITE_URL": "https://tale.local:9443", "TLS_MODE": stack.TLSExternal}, "", ""},
		"another name":      {map[string]string{"HOST": "other.local"}, "", "HOST is other.local and SITE_URL has tale.local"},
		"the same name":     {map[string]string{"HOST": "Tale.local"}, "", ""},
		"the other scheme":  {map[string]string{"SITE_URL": "https://tale.local:80", "PUBLISH_HTTPS": "80", "PUBLISH_HTTP": "8080"}, "", "SITE_URL has https on port 80"},
		"the other port":    {map[string]string{"SITE_URL": "http://tale.local:443", "TLS_MODE": stack.TLSExternal}, "", "SITE_URL has http on port 443"},
		"no value":          {map[string]string{"CONVEX_ENV_SYNC_EXTRA": "GREETING, SITE_URL"}, "", "CONVEX_ENV_SYNC_EXTRA names GREETING, which has no value"},
		"a value":           {map[string]string{"CONVEX_ENV_SYNC_EXTRA": "GREETING", "GREETING": "hi"}, "", ""},
		"value by override": {map[string]string{"CONVEX_ENV_SYNC_EXTRA": "GREETING"}, "services: {platform: {environment: {GREETING: hi}}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := production(t, options(t, tt.env, tt.override)).Warnings
			if (tt.want == "") != (len(got) == 0) || len(got) > 1 || !strings.Contains(strings.Join(got, "\n"), tt.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestNoDoubtsOfADevelopmentStack, whose address is not that of the settings.
func TestNoDoubtsOfADevelopmentStack(t *testing.T) {
	model, err := compose.Development(options(t, map[string]string{"SITE_URL": "https://tale.local:9443"}, ""))
	if err != nil || len(model.Warnings) > 0 {
		t.Errorf("%q, %v", model.Warnings, err)
	}
}
