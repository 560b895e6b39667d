package proxy

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func examine(t *testing.T, s *Settings) (byName map[string]doctor.Finding, healthy bool) {
	t.Helper()
	findings, healthy := doctor.Examine(t.Context(), doctorChecks(s))
	byName = map[string]doctor.Finding{}
	for _, f := range findings {
		byName[f.Name] = f
	}
	return byName, healthy
}

func TestDoctorOfTheProxy(t *testing.T) {
	https, away := testkit.FreePort(t), testkit.FreeAddress(t)
	exported := t.TempDir()
	p := start(t, config.Environ{"SITE_URL": "https://localhost:" + https, "HTTPS_PORT": https, "PROXY_CA_EXPORT_DIR": exported, "EXTRA_SITES": "127.0.0.1=" + away})
	found, _ := examine(t, p.settings)
	for name, verdict := range map[string]doctor.Verdict{
		"settings": doctor.OK, proxyRuns: doctor.OK, "listeners": doctor.OK, "HOST and SITE_URL": doctor.OK, "root certificate for functions": doctor.OK,
		"certificate of localhost": doctor.OK, "certificate of 127.0.0.1": doctor.OK, "PLATFORM_UPSTREAM " + p.settings.Platform: doctor.OK,
		"CONVEX_UPSTREAM " + p.settings.Backend: doctor.OK, "EXTRA_SITES " + away: doctor.Fail, "proxy health": doctor.OK, "port of SITE_URL": doctor.OK, "certificate": doctor.OK,
	} {
		if f := found[name]; f.Verdict != verdict || verdict == doctor.Fail && f.Fix == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := found["certificate of localhost"]; !strings.Contains(f.Detail, "ends on ") {
		t.Errorf("%+v", f)
	}
	if f := found["EXTRA_SITES "+away]; !strings.Contains(f.Detail, "refused") {
		t.Errorf("%+v", f)
	}

	published := *p.settings // the site has a port that only the host knows
	published.SiteURL = "https://localhost:" + testkit.FreePort(t)
	if f := examineOne(t, &published, "port of SITE_URL"); f.Verdict != doctor.Warn || !strings.Contains(f.Detail, "published port") {
		t.Errorf("%+v", f)
	}
	apart := *p.settings
	apart.SiteURL, apart.Host = "https://site.invalid", "localhost"
	if f := examineOne(t, &apart, "HOST and SITE_URL"); f.Verdict != doctor.Warn || !strings.Contains(f.Detail, "HOST is localhost, but SITE_URL has site.invalid") {
		t.Errorf("%+v", f)
	}
	another := *p.settings
	another.CAExportDir = t.TempDir()
	if f := examineOne(t, &another, "root certificate for functions"); f.Verdict != doctor.Fail || !strings.Contains(f.Fix, "chown") {
		t.Errorf("%+v", f)
	}
	unwritable := *p.settings
	unwritable.DataDir = filepath.Join(exported, rootFile)
	if f := examineOne(t, &unwritable, "data folder"); f.Verdict != doctor.Fail || !strings.Contains(f.Fix, "correct the setting") {
		t.Errorf("%+v", f)
	}
	stopped := *p.settings
	stopped.HealthAddr = net.JoinHostPort("127.0.0.1", testkit.FreePort(t))
	if f := examineOne(t, &stopped, proxyRuns); f.Verdict != doctor.Fail || f.Fix == "" {
		t.Errorf("%+v", f)
	}
	if f := examineOne(t, &stopped, "PLATFORM_UPSTREAM "+p.settings.Platform); f.Verdict != doctor.Skip {
		t.Errorf("%+v", f)
	}
}

func examineOne(t *testing.T, s *Settings, name string) doctor.Finding {
	t.Helper()
	found, _ := examine(t, s)
	return found[name]
}
