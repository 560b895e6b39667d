package proxy

import (
	"fmt"
	"os"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/smallstep/truststore"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// caddyMain returns the command line by the name of caddy: Caddy's own, which reads
// os.Args and exits the process by itself. Its trust commands ask the admin
// endpoint for the certificate, which the proxy does not have; ours take it from
// the data folder unless they are told another place.
func caddyMain(args []string) int {
	if len(args) == 0 || hasPlace(args) {
		caddycmd.Main()
		return 0
	}
	switch args[0] {
	case "trust":
		return complain(withRoot(func(path string) error {
			return truststore.InstallFile(path, truststore.WithFirefox(), truststore.WithJava())
		}))
	case "untrust":
		return complain(withRoot(func(path string) error {
			return truststore.UninstallFile(path, truststore.WithFirefox(), truststore.WithJava())
		}))
	}
	caddycmd.Main()
	return 0
}

// hasPlace reports whether the arguments ask for help or say where a certificate is.
func hasPlace(args []string) bool {
	flags := []string{"--ca", "--address", "--config", "-c", "--cert", "-p", "--help", "-h"}
	return slices.ContainsFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return slices.Contains(flags, name)
	})
}

func withRoot(do func(path string) error) error {
	s := &Settings{}
	_ = config.Load(s, config.FromOS()) // only the data folder matters, and it has no wrong values
	if _, err := readRoot(s); err != nil {
		return err
	}
	if err := do(rootPath(s)); err != nil {
		return fmt.Errorf("cannot change the trust store of this machine: %w; to trust the site on another one, copy the output of 'proxy ca' there", err)
	}
	return nil
}

func complain(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "caddy:", err)
	}
	return exit.Code(err)
}
