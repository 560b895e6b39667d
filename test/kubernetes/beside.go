package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// daemon starts a program beside the nodes, with a log of its own, and returns what ends it.
func (c *cluster) daemon(ctx context.Context, name, program string, args ...string) (end func(), err error) {
	log, err := os.Create(filepath.Join(c.dir, "log", name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	command := exec.CommandContext(ctx, program, args...)
	command.Stdout, command.Stderr = log, log
	return func() { _ = command.Process.Kill(); _ = command.Wait() }, command.Start() // we killed it
}

// serveTLS answers beside the nodes, with a certificate NAME.crt that is its own authority, and
// returns what ends that.
func (c *cluster) serveTLS(ctx context.Context, name, port string, answers http.Handler) (end func(), err error) {
	if err := c.certify(ctx, name, "IP:"+nameserver); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(nameserver, port))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: answers, ReadHeaderTimeout: patience}
	certificate := filepath.Join(c.overlay(), name)
	go func() { _ = server.ServeTLS(listener, certificate+".crt", certificate+".key") }() // until it is closed
	return func() { _ = server.Close() }, nil
}

// certify makes a certificate, which is its own authority, beside the kustomization: NAME.crt, and
// its key NAME.key.
func (c *cluster) certify(ctx context.Context, name, subject string) error {
	command := exec.CommandContext(ctx, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
		"-keyout", name+".key", "-out", name+".crt", "-subj", "/CN="+name, "-addext", "subjectAltName="+subject)
	command.Dir = c.overlay()
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot make a certificate: %w: %s", err, out)
	}
	return nil
}
