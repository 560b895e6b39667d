package testkit

import (
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// WriteTree writes files, by their path below a folder.
func WriteTree(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// ReadFile returns what a file holds.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// Golden compares what was made with a file in testdata; UPDATE_GOLDEN=1 writes it.
func Golden(t testing.TB, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := ReadFile(t, path); want != string(got) {
		t.Errorf("differs from %s; run with UPDATE_GOLDEN=1 and look at the difference\ngot:\n%s", path, got)
	}
}

// Certificate returns a server's certificate for 127.0.0.1, which is its own
// authority, and the PEM file that trusts it.
func Certificate(t testing.TB) (*tls.Config, string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir := t.TempDir()
	WriteTree(t, dir, map[string]string{"ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))})
	return &tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}, filepath.Join(dir, "ca.pem")
}
