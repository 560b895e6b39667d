package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

// elsewhere starts a server that is not the stack's, and makes a key for the backups. It returns
// where the server is.
func (b *backing) elsewhere(ctx context.Context) (url string, err error) {
	b.server = prefix + "-elsewhere"
	b.services = slices.DeleteFunc(slices.Clone(services), func(service string) bool { return service == "db" })
	if b.key, err = age.GenerateX25519Identity(); err != nil {
		return "", err
	}
	if err := os.WriteFile(b.keys(), []byte(b.key.String()+"\n"), 0o600); err != nil {
		return "", err
	}
	if _, err := docker(ctx, "run", "-d", "--name", b.server, "-p", "5432", "-e", "POSTGRES_USER=tale", "-e", "POSTGRES_PASSWORD=not-a-secret", databaseImage); err != nil {
		return "", err
	}
	healthy := func() bool {
		said, _ := docker(ctx, "inspect", "-f", "{{.State.Health.Status}}", b.server)
		return strings.TrimSpace(said) == "healthy"
	}
	if !eventually(ctx, time.Minute, healthy) {
		return "", errors.New("the server elsewhere is not healthy")
	}
	address, err := docker(ctx, "inspect", "-f", `{{.NetworkSettings.Gateway}}:{{(index (index .NetworkSettings.Ports "5432/tcp") 0).HostPort}}`, b.server)
	return "postgresql://tale:not-a-secret@" + strings.TrimSpace(address) + "?sslmode=disable", err
}

func (b *backing) keys() string { return filepath.Join(b.dir, "keys.txt") }

// sealed and unsealed are what encrypts a backup, and decrypts it.
func (b *backing) sealed() []string {
	if b.key == nil {
		return nil
	}
	return []string{"--recipient", b.key.Recipient().String()}
}

func (b *backing) unsealed() []string {
	if b.key == nil {
		return nil
	}
	return []string{"--identity", b.keys()}
}
