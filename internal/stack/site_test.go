package stack_test

import (
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func TestSiteRules(t *testing.T) {
	for _, tt := range []struct{ url, host, base, mode, refused string }{
		{"https://example.com", "", "", "", ""},
		{"https://example.com:8443/", "tale.local", "/tale/", "letsencrypt", ""},
		{"http://example.com", "", "", "external", ""},
		{"http://example.com", "", "", "", "SITE_URL"},
		{"", "", "", "", "SITE_URL"},
		{"example.com", "", "", "", "SITE_URL"},
		{"https://example.com/tale", "", "", "", "SITE_URL"},
		{"https://example.com?x", "", "", "", "SITE_URL"},
		{"https://user@example.com", "", "", "", "SITE_URL"},
		{"https://bücher.example", "", "", "", "SITE_URL"},
		{"https://xn--bcher-kva.example", "", "", "", ""},
		{"https://[fd00::1]", "fd00::1", "", "", ""},
		{"https://[fd00:0::1]", "", "", "", "SITE_URL"},
		{"https://example.com", "https://x", "", "", "HOST"},
		{"https://example.com", "x:1", "", "", "HOST"},
		{"https://example.com", "", "/a b", "", "BASE_PATH"},
		{"https://example.com", "", "/api/x", "", "BASE_PATH"},
		{"https://example.com", "", "", "letsencypt", "TLS_MODE"},
	} {
		environ := config.Environ{"SITE_URL": tt.url, "HOST": tt.host, "BASE_PATH": tt.base, "TLS_MODE": tt.mode}
		if problems := problemsOf(t, &stack.Site{}, environ); names(problems) != tt.refused {
			t.Errorf("%v: %v", tt, problems)
		}
	}
}

func TestSiteAddress(t *testing.T) {
	for _, tt := range []struct {
		site  stack.Site
		url   string
		names []string
	}{
		{stack.Site{SiteURL: " https://Example.com/ "}, "https://example.com/", []string{"example.com"}},
		{stack.Site{SiteURL: "https://example.com:443", Host: "Tale.local", BasePath: "tale/"}, "https://example.com/tale/", []string{"example.com", "tale.local"}},
		{stack.Site{SiteURL: "http://example.com:8080", Host: "example.com", BasePath: "/"}, "http://example.com:8080/", []string{"example.com"}},
		{stack.Site{SiteURL: "https://[fd00::1]"}, "https://[fd00::1]/", []string{"fd00::1"}},
	} {
		address := tt.site.Address()
		if address.URL() != tt.url || !slices.Equal(address.Names, tt.names) || address.Name != tt.names[len(tt.names)-1] {
			t.Errorf("%+v: %+v", tt.site, address)
		}
	}
	if stack.InURL("fd00::1") != "[fd00::1]" || stack.InURL("127.0.0.1:1") != "127.0.0.1:1" {
		t.Error("InURL")
	}
}
