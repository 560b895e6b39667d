package proxy

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// withoutLocks makes every attempt to get a certificate end before it begins: its
// lock cannot be made. Removing the returned file lets the next one pass.
func withoutLocks(t *testing.T, dataDir string) (file string) {
	t.Helper()
	file = filepath.Join(dataDir, "caddy", "locks")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// fromNowhere has certificates come from an authority that is away.
func fromNowhere(t *testing.T, dataDir string) config.Environ {
	t.Helper()
	return config.Environ{"TLS_MODE": stack.TLSLetsEncrypt, "ACME_DIRECTORY": "https://" + nobody(t) + "/directory", "PROXY_DATA_DIR": dataDir}
}

func TestANameThatIsBeingCertifiedIsHealthyAndSaid(t *testing.T) {
	p := start(t, fromNowhere(t, t.TempDir()))
	testkit.Eventually(t, "the failed attempt is said", func() bool {
		response := p.onHealthPort("/health?ready")
		body := text(t, response)
		return response.StatusCode == http.StatusOK && strings.HasPrefix(body, "DEGRADED; a certificate for site.test is being got; the last attempt failed") && strings.Contains(body, "refused")
	})
	if said, err := checkHealth(t.Context(), p.settings); err != nil || !strings.Contains(said, "site.test") {
		t.Errorf("the health check: %q, %v", said, err)
	}
	if err := awaitCertificates(t.Context(), p.settings); err != nil {
		t.Errorf("readiness: %v", err)
	}
	if answer := p.onHealthPort("/health?deep"); answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text(t, answer), `"certified":false,"underway":true`) {
		t.Errorf("deep: %d", answer.StatusCode)
	}
}

func TestANameThatWasGivenUpIsNotHealthyUntilItIsBegunAgain(t *testing.T) {
	dir := t.TempDir()
	locks := withoutLocks(t, dir)
	p := start(t, fromNowhere(t, dir))
	testkit.Eventually(t, "the name is given up", func() bool {
		response := p.onHealthPort("/health?ready")
		return response.StatusCode == http.StatusServiceUnavailable && strings.Contains(text(t, response), "no certificate for site.test and none is being got")
	})
	if _, err := checkHealth(t.Context(), p.settings); err == nil || !strings.Contains(err.Error(), "no certificate for site.test") {
		t.Errorf("the health check: %v", err)
	}
	if body := text(t, p.onHealthPort("/health")); body != "OK" {
		t.Errorf("the process itself: %q", body)
	}
	if err := os.Remove(locks); err != nil {
		t.Fatal(err)
	}
	recoverNames(p.settings, logging.Discard())
	if err := awaitCertificates(t.Context(), p.settings); err != nil {
		t.Errorf("after it was begun again: %v", err)
	}
}

func TestTheFailureNamesTheCause(t *testing.T) {
	for name, mode := range map[string]string{"our own authority": stack.TLSSelfSigned, "another": stack.TLSLetsEncrypt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environ(t, fromNowhere(t, t.TempDir()))
			env["TLS_MODE"] = mode
			locks := withoutLocks(t, env["PROXY_DATA_DIR"])
			p := spawn(t, env, "run")
			if code := p.WaitWithin(3 * certificateWait); code != exit.Unavailable {
				t.Errorf("exit code %d", code)
			}
			_, said, _ := strings.Cut(p.Output.String(), "FAILED at certificates")
			said, _, _ = strings.Cut(said, "cause ")
			if !strings.Contains(said, "site.test") || !strings.Contains(said, locks) || strings.Contains(said, "timeout") {
				t.Errorf("it said %s", said)
			}
		})
	}
}

// A store that a power cut tore is healed before Caddy reads it.
func TestATornStoreStarts(t *testing.T) {
	t.Parallel()
	env := environ(t, config.Environ{"PROXY_CA_EXPORT_DIR": t.TempDir()})
	first := spawnReady(t, env)
	if code := first.Stop(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	files, err := filepath.Glob(filepath.Join(env["PROXY_DATA_DIR"], "caddy", "certificates", "local", "*", "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	authority := filepath.Join(env["PROXY_DATA_DIR"], "caddy", "pki", "authorities", "local")
	for _, file := range append(files, filepath.Join(authority, "intermediate.crt"), filepath.Join(authority, "root.crt")) {
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
	}
	second := spawnReady(t, env)
	if log := second.Output.String(); !strings.Contains(log, "intermediate.crt is empty") || !strings.Contains(log, "root.crt is empty") {
		t.Errorf("it said\n%s", log)
	}
	if code := second.Stop(20 * time.Second); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if err := os.Truncate(filepath.Join(authority, "root.key"), 100); err != nil {
		t.Fatal(err)
	}
	third := spawn(t, env, "run")
	if code := third.WaitWithin(20 * time.Second); code != exit.Config || !strings.Contains(third.Output.String(), "remove both") {
		t.Errorf("exit code %d: %s", code, third.Output.String())
	}
}
