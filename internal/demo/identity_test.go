package demo

import (
	"os"
	"strings"
	"testing"
)

func TestIdentityIsKeptInItsFolder(t *testing.T) {
	f := &folder{path: t.TempDir()}
	first, err := loadIdentity(f)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadIdentity(f)
	if err != nil {
		t.Fatal(err)
	}
	if *first != *second {
		t.Errorf("%+v, then %+v", first, second)
	}
	other, err := loadIdentity(&folder{path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Secrets.Instance) != 64 || first.Secrets.Instance == other.Secrets.Instance {
		t.Errorf("instance secrets %q and %q", first.Secrets.Instance, other.Secrets.Instance)
	}
	info, err := os.Stat(f.join(identityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secrets are kept with the mode %v, %v", info.Mode(), err)
	}
}

func TestBrokenIdentity(t *testing.T) {
	f := &folder{path: t.TempDir()}
	if err := os.WriteFile(f.join(identityFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadIdentity(f); err == nil || !strings.Contains(err.Error(), "remove the folder") {
		t.Errorf("got %v", err)
	}
}
