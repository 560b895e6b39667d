package proxy

import (
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/snippets"
)

// validate reports everything that would keep the proxy from starting with the
// environment, apart from the state of the machine: all wrong settings and all
// broken files of the site folder, or what Caddy says to the configuration. It
// returns the files of that folder that are left out.
func validate(environ config.Environ) (leftOut []string, err error) {
	s := &Settings{}
	problems, err := problemsOf(config.Load(s, environ))
	if err != nil {
		return nil, err
	}
	_, leftOut, _ = snippets.List(s.SiteDir)
	_, snippetsErr := snippets.Load(s.SiteDir)
	broken, err := problemsOf(snippetsErr)
	if err != nil {
		return leftOut, err
	}
	if problems = append(problems, broken...); len(problems) > 0 {
		return leftOut, problems
	}
	return leftOut, provision(s)
}

func problemsOf(err error) (config.Problems, error) {
	var problems config.Problems
	if err == nil || errors.As(err, &problems) {
		return problems, nil
	}
	return nil, err
}

// provision has Caddy set up every module of the configuration, without opening
// a port. Nothing of the data folder is touched: setting up the local authority
// would create it.
func provision(s *Settings) error {
	scratch, err := os.MkdirTemp("", "proxy-validate-")
	if err != nil {
		return fmt.Errorf("cannot validate the configuration: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	elsewhere := *s
	elsewhere.DataDir = scratch
	cfg, err := caddyConfig(&elsewhere)
	if err != nil {
		return err
	}
	handOver(&elsewhere, nil)
	_, _, _ = caddy.BufferedLog()
	if err := caddy.Validate(cfg); err != nil {
		return exit.With(exit.Config, fmt.Errorf("cannot use the configuration: %w", snippets.Blame(s.SiteDir, err)))
	}
	return nil
}
