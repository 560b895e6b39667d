package terminators

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	// traefikQuiet keeps a test from asking the internet for news.
	traefikQuiet = "\nglobal: { checkNewVersion: false, sendAnonymousUsage: false }\n"
	// traefikCertificate takes the place of the authority.
	traefikCertificate = "\ntls: { certificates: [{ certFile: %q, keyFile: %q }] }\n"
)

func TestTraefik(t *testing.T) {
	program := testkit.Traefik(t)
	for name, tt := range map[string]struct {
		base string
		also []string // replacements
	}{
		"at the root":      {base: ""},
		"under a sub-path": {base: "/tale", also: []string{"Host(`example.com`)", "Host(`example.com`) && PathPrefix(`/tale`)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, tt.base)
			address := "127.0.0.1:" + testkit.FreePort(t)
			folder := t.TempDir()
			code := fit(t, snippet(t, "Behind Traefik", "yaml"), append(tt.also, `":443"`, `"`+address+`"`, "http://tale:80", "http://"+s.proxy,
				"/etc/traefik/", folder+"/", "certResolver: letsencrypt", "")...)
			run(t, address, nil, program, "--configFile="+s.writeTraefik(folder, code))
			s.check(address)
		})
	}
}

// writeTraefik writes the two files of the snippet; each begins with its name.
func (s *site) writeTraefik(folder, code string) (static string) {
	s.t.Helper()
	static, dynamic := filepath.Join(folder, "traefik.yml"), filepath.Join(folder, "dynamic.yml")
	first, second, found := strings.Cut(code, "# "+dynamic)
	if !found || !strings.HasPrefix(first, "# "+static) {
		s.t.Fatalf("the snippet is not traefik.yml, then dynamic.yml:\n%s", code)
	}
	s.must(os.WriteFile(static, []byte(first+traefikQuiet), 0o600))
	s.must(os.WriteFile(dynamic, fmt.Appendf([]byte("#"+second), traefikCertificate, s.certificate, s.key), 0o600))
	return static
}
