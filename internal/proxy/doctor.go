package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/entrypoint/writable"
	proxyhealth "github.com/tale-project/tale-runtime/internal/proxy/health"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

const (
	proxyRuns = "running proxy" // what others need
	// fewFiles is a limit of open files that a busy site hardly fits into: two for each
	// visitor that has a socket open.
	fewFiles = 4096
	// siteLimit bounds each request of the site; a check may take no longer.
	siteLimit = 6 * time.Second
)

func doctorCommand(load func() (*Settings, error)) *cobra.Command {
	command := doctor.Command(func() ([]doctor.Check, error) {
		s, err := load()
		if err != nil {
			return nil, err
		}
		return doctorChecks(s), nil
	})
	command.Example = "  docker compose exec proxy proxy doctor"
	return cli.Manual{Reads: cli.Reading(Settings{})}.For(command)
}

// doctorChecks returns those of this container, and those of the site as the public sees it.
func doctorChecks(s *Settings) []doctor.Check {
	public := doctor.Site{Visitor: visitor(s), TLSMode: s.TLSMode, Backend: []string{proxyRuns}}
	return slices.Concat(ownChecks(s), public.Checks())
}

// visitor asks the public site from inside the container.
func visitor(s *Settings) *site.Visitor {
	options := site.Options{URL: s.Address().URL(), Blind: true, Limit: siteLimit}
	switch {
	case s.TLSMode != stack.TLSExternal:
		options.Inside = strconv.Itoa(s.HTTPSPort)
	case s.Address().Scheme == "http":
		options.Inside = strconv.Itoa(s.HTTPPort)
	}
	return site.New(options)
}

// ownChecks returns those of this container, and of what the running proxy knows.
func ownChecks(s *Settings) []doctor.Check {
	at := place.Here()
	ask := func(judge func(*proxyhealth.Document) (string, error)) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			document, err := fetchStatus(ctx, s)
			if err != nil {
				return "", err
			}
			return judge(document)
		}
	}
	checks := []doctor.Check{
		{Name: "settings", Fix: "docs/environment.md", Run: func(context.Context) (string, error) { return judgeSettings(s) }},
		{Name: "data folder", Run: func(context.Context) (string, error) {
			return s.DataDir + " is writable", doctor.Explained(writable.Check(s.DataDir))
		}},
		{Name: proxyRuns, Fix: at.Log("proxy") + " says why it does not start", Run: ask(func(*proxyhealth.Document) (string, error) {
			return "answers at " + httpclient.LocalAddr(s.HealthAddr), nil
		})},
		{Name: "listeners", Needs: []string{proxyRuns}, Fix: at.Log("proxy"), Run: func(ctx context.Context) (string, error) { return checkListeners(ctx, s) }},
		{Name: "HOST and SITE_URL", Fix: "make HOST that of SITE_URL, or have a name server know it: other containers call the site by SITE_URL", Run: func(ctx context.Context) (string, error) {
			return "the network knows the name", doctorWarning(unknownInside(ctx, s.Address()))
		}},
		{Name: "open files", Fix: at.FileLimit(), Run: func(context.Context) (string, error) { return checkOpenFiles() }},
	}
	if s.TLSMode != stack.TLSExternal {
		checks = append(checks, doctor.Disk(s.DataDir, "free space for the volume at "+s.DataDir+": without any, certificates cannot be renewed"),
			doctor.Check{Name: "root certificate for functions", Needs: []string{proxyRuns}, Fix: fmt.Sprintf("chown %d:%d of the volume at %s, and restart the proxy", os.Getuid(), os.Getgid(), s.CAExportDir),
				Run: func(context.Context) (string, error) { return checkExport(s) }})
	}
	for _, name := range s.CertifiedNames() {
		checks = append(checks, doctor.Check{Name: "certificate of " + name, Needs: []string{"listeners"}, Fix: at.Log("proxy") + "; docs/operations.md, TLS",
			Run: func(ctx context.Context) (string, error) { return checkCertificate(ctx, s, name) }})
	}
	for _, upstream := range upstreamSettings(s) {
		checks = append(checks, doctor.Check{Name: upstream.setting + " " + upstream.address, Needs: []string{proxyRuns}, Fix: at.State() + "; is " + upstream.setting + " right?",
			Run: ask(func(document *proxyhealth.Document) (string, error) { return judgeUpstream(document, upstream.address) })})
	}
	return checks
}

func doctorWarning(err error) error {
	if err == nil {
		return nil
	}
	return doctor.Warning(err)
}

func judgeSettings(s *Settings) (string, error) {
	if alike := s.Alike(); alike != "" {
		return "", doctor.Warning(errors.New(alike))
	}
	trusted := strings.Join(s.TrustedRanges(), ", ")
	if trusted == "" {
		trusted = "no proxy"
	}
	return fmt.Sprintf("%s, TLS_MODE=%s, believes %s", s.Address().URL(), s.TLSMode, trusted), nil
}

func checkListeners(ctx context.Context, s *Settings) (string, error) {
	ports := []int{s.HTTPPort}
	if s.TLSMode != stack.TLSExternal {
		ports = append(ports, s.HTTPSPort)
	}
	var dialer net.Dialer
	for _, port := range ports {
		conn, err := dialer.DialContext(ctx, "tcp", httpclient.LocalAddr(s.ListenAddress(port)))
		if err != nil {
			return "", fmt.Errorf("port %d: %s", port, netcause.Reason(err))
		}
		_ = conn.Close()
	}
	return fmt.Sprintf("ports %v are open", ports), nil
}

// checkCertificate returns when the certificate of a name ends, as a visitor sees it.
func checkCertificate(ctx context.Context, s *Settings, name string) (string, error) {
	document, err := fetchStatus(ctx, s)
	if err != nil {
		return "", err
	}
	for _, state := range document.Certificates {
		if state.Name == name && !state.Certified {
			return "", errors.New(state.String())
		}
	}
	// What there is to see is the certificate; whether it is trusted is asked elsewhere.
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", siteAddress(s))
	if err != nil {
		return "", fmt.Errorf("cannot complete a TLS handshake: %s", netcause.Reason(err))
	}
	defer func() { _ = conn.Close() }()
	certificate := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	text := fmt.Sprintf("of %s, ends on %s", certificate.Issuer.CommonName, certificate.NotAfter.UTC().Format(time.DateTime+" UTC"))
	switch now := time.Now(); {
	case certificate.VerifyHostname(name) != nil:
		return "", fmt.Errorf("it is for %s", strings.Join(certificate.DNSNames, ", "))
	case now.After(certificate.NotAfter), now.Before(certificate.NotBefore):
		return "", fmt.Errorf("%s, began on %s: it is not valid now, or the clock is wrong", text, certificate.NotBefore.UTC().Format(time.DateTime+" UTC"))
	}
	return text, nil
}

// checkExport looks whether other containers find the root certificate.
func checkExport(s *Settings) (string, error) {
	if s.CAExportDir == "" || len(s.LocalNames()) == 0 {
		return "", doctor.Skipped("none is handed out")
	}
	root, err := readRoot(s)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.CAExportDir, rootFile)
	copied, err := os.ReadFile(path)
	if err != nil || string(copied) != string(root) {
		return "", fmt.Errorf("%s is not the one that is in use: functions that call the site do not trust it", path)
	}
	return path + " is the one in use", nil
}

func checkOpenFiles() (string, error) {
	limit, err := openFiles()
	if err != nil {
		return "", doctor.Skipped(err.Error())
	}
	if limit < fewFiles {
		return "", doctor.Warning(fmt.Errorf("at most %d: each visitor with an open socket takes two", limit))
	}
	return fmt.Sprintf("at most %d", limit), nil
}

// openFiles returns how many files this process may have open.
func openFiles() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}

type upstreamSetting struct{ setting, address string }

// upstreamSettings returns the upstreams that are probed.
func upstreamSettings(s *Settings) []upstreamSetting {
	all := []upstreamSetting{{"PLATFORM_UPSTREAM", s.Platform}, {"CONVEX_UPSTREAM", s.Backend}}
	for _, extra := range s.Sites() {
		all = append(all, upstreamSetting{"EXTRA_SITES", extra.Upstream})
	}
	return all
}

func judgeUpstream(document *proxyhealth.Document, address string) (string, error) {
	for _, state := range document.Upstreams {
		if state.Upstream != address {
			continue
		}
		var seen []string
		for _, a := range state.Addresses {
			seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Address, a.Role(), a.Reason)))
		}
		text := strings.Join(seen, "; ")
		switch {
		case !state.Available && state.Resolver != "":
			return "", errors.New(state.Resolver)
		case !state.Available && len(seen) == 0:
			return "", errors.New(upstreams.NoAddress)
		case !state.Available:
			return "", errors.New(text)
		}
		return text, nil
	}
	return "", errors.New("the running proxy has other settings: restart it")
}
