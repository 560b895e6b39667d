package platform

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// clockTolerance is how far two clocks may differ before tokens and
// certificates begin to fail.
const clockTolerance = 5 * time.Second

// siteLimit bounds each request of the site; a check may take no longer.
const siteLimit = 6 * time.Second

func doctorCommand(e entrypoint.Entrypoint) *cobra.Command {
	command := doctor.Command(func() ([]doctor.Check, error) {
		environ, err := e.Environ()
		if err != nil {
			return nil, err
		}
		s, err := openSession(environ)
		if err != nil {
			return nil, err
		}
		settings := s.settings
		public := doctor.Site{Visitor: visitor(settings), TLSMode: settings.Pushed.Site.TLSMode, Backend: []string{backendAnswers}, NoLogin: withoutLogin(settings.Deploy.PushRequest)}
		return slices.Concat(s.backendChecks(), public.Checks(), extraSiteChecks(settings), hostChecks(settings), []doctor.Check{s.convexCLI()}), nil
	})
	command.Example = "  docker compose exec platform platform-entrypoint doctor"
	return cli.Manual{Reads: cli.Reading(Settings{})}.For(command)
}

// withoutLogin reports whether an app's push request, where it has one, has no configuration
// of logins.
func withoutLogin(file string) bool {
	request, err := requestfile.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = request.Close() }()
	return !slices.ContainsFunc(request.Index.Modules, func(m requestfile.Module) bool { return m.Component == "" && m.Path == "auth.config.js" })
}

// visitor asks the public site from inside the container, as functions do.
func visitor(s *Settings) *site.Visitor { return visitorOf(s.Pushed.Site.Address().URL()) }

func visitorOf(address string) *site.Visitor {
	options := site.Options{URL: strings.TrimRight(address, "/"), Blind: true, Limit: siteLimit}
	if u, err := url.Parse(address); err == nil {
		options.Inside = doctor.InsidePort(u)
	}
	return site.New(options)
}

func extraSiteChecks(s *Settings) (checks []doctor.Check) {
	for _, extra := range s.Extra.Sites() {
		address := s.Pushed.Site.Address()
		address.Host, address.Base = extra.Host, ""
		checks = append(checks, doctor.ExtraSite{
			Host: extra.Host, Service: extra.Upstream, TLSMode: s.Pushed.Site.TLSMode, Visitor: visitorOf(address.URL()),
		}.Checks()...)
	}
	return checks
}

// hostChecks returns the checks of what this container was given.
func hostChecks(s *Settings) []doctor.Check {
	return []doctor.Check{
		{Name: "web server", Run: (&session{settings: s}).checkListening},
		doctor.Disk(convexDataDir, "free space on the volume convex-data; the backend and Postgres stop working without any"),
		doctor.MemoryLimit(place.Here().RaiseMemory("")),
		{Name: "run folder", Run: func(context.Context) (string, error) {
			return s.Boot.RunDir + " is writable", doctor.Explained(boot.CheckRunDir(s.Boot.RunDir))
		}},
	}
}

// Checks that others need.
const (
	backendName    = "name of CONVEX_URL"
	backendAnswers = "backend answers"
	backendIsOurs  = "backend instance"
	keyAccepted    = "admin key"
	functionsRun   = "functions"
)

// backendChecks returns those of the Convex backend, asked directly.
func (s *session) backendChecks() []doctor.Check {
	at := place.Here()
	return []doctor.Check{
		doctor.Resolves(backendName, hostOf(s.settings.Backend.ConvexURL), "is the convex service up and on the same network? "+at.State()),
		s.databaseName(),
		{Name: backendAnswers, Needs: []string{backendName}, Run: s.checkBackend,
			Fix: at.Exec("convex", "convex-entrypoint status") + " says what keeps it down; " + at.State("convex") + ", if that cannot be asked"},
		{Name: backendIsOurs, Needs: []string{backendAnswers}, Run: s.checkInstance,
			Fix: "CONVEX_URL and INSTANCE_NAME must be of the same instance in both containers"},
		{Name: keyAccepted, Needs: []string{backendIsOurs}, Run: s.checkKey,
			Fix: "INSTANCE_SECRET must be the same in both containers; compare the fingerprint with that of: " + at.Exec("convex", "convex-entrypoint status")},
		{Name: "variables", Needs: []string{keyAccepted}, Run: s.checkVariables, Fix: "sync them: " + at.Recreate("platform")},
		{Name: functionsRun, Needs: []string{keyAccepted}, Run: s.checkRunning},
		{Name: "origin of files", Needs: []string{keyAccepted}, Run: s.checkOrigin, Fix: "docs/convex.md, Origins"},
		s.backendMemory(),
		{Name: "settings of convex", Needs: []string{backendName}, Run: s.checkShared},
		{Name: "clock", Needs: []string{backendAnswers}, Run: s.checkClock, Fix: "set the host's clock (NTP); containers share it"},
	}
}

func (s *session) databaseName() doctor.Check {
	if s.settings.Pushed.Database.Storage == stack.StorageSQLite {
		return doctor.Check{Name: "name of the database", Run: func(context.Context) (string, error) {
			return "", doctor.Skipped("CONVEX_STORAGE=sqlite uses no database server")
		}}
	}
	server, err := s.settings.Pushed.Database.Server()
	if err != nil {
		return doctor.Check{Name: "name of the database", Run: func(context.Context) (string, error) { return "", err }}
	}
	return doctor.Resolves("name of the database", server.URL.Hostname(), "check DB_HOST or POSTGRES_URL, and that the db service is up")
}

func (s *session) checkBackend(ctx context.Context) (string, error) {
	body, err := health.NewProber().Get(ctx, s.settings.Backend.ConvexURL+"/version")
	if stranger, ok := errors.AsType[*strangerError](orStranger(err, hostOf(s.settings.Backend.ConvexURL))); ok {
		return "", doctor.WithFix(fmt.Errorf("no backend at %s: %s; %s", s.settings.Backend.ConvexURL, stranger.said, stranger.is), ownPort)
	}
	if err != nil {
		return "", fmt.Errorf("no answer from %s: %s", s.settings.Backend.ConvexURL, netcause.Reason(err))
	}
	return fmt.Sprintf("%s, version %s", s.settings.Backend.ConvexURL, strings.TrimSpace(body)), nil
}

func (s *session) checkInstance(ctx context.Context) (string, error) {
	name, err := s.client.InstanceName(ctx)
	if err != nil {
		return "", explain(backend.StageCheckAdminKey, err)
	}
	if name != s.settings.Instance.Name {
		return "", fmt.Errorf("the backend is the instance %q, INSTANCE_NAME here says %q", name, s.settings.Instance.Name)
	}
	return name, nil
}

func (s *session) checkKey(ctx context.Context) (string, error) {
	fingerprint := s.settings.Instance.Fingerprint()
	if err := s.client.CheckAdminKey(ctx); err != nil {
		return "", fmt.Errorf("%w (fingerprint of INSTANCE_SECRET here: %s)", explain(backend.StageCheckAdminKey, err), fingerprint)
	}
	return "accepted; fingerprint of INSTANCE_SECRET: " + fingerprint, nil
}

func (s *session) checkVariables(ctx context.Context) (string, error) {
	current, err := s.client.ListEnv(ctx)
	if err != nil {
		return "", explain(backend.StageListEnv, err)
	}
	plan := envsync.NewPlan(s.goal(), current, s.envMemory())
	if updates := plan.Updates(); len(updates) > 0 {
		var names []string
		for _, update := range updates {
			names = append(names, update.Name)
		}
		return "", fmt.Errorf("the deployment differs from the settings in %s (%s)", strings.Join(names, ", "), plan.Summary())
	}
	return plan.Summary(), nil
}

func (s *session) checkClock(ctx context.Context) (string, error) {
	response, err := s.client.Do(ctx, backend.Request{Method: "GET", Path: "/version", Anonymous: true})
	if err != nil {
		return "", explain(backend.StageCheckAdminKey, err)
	}
	_ = response.Body.Close()
	theirs, err := time.Parse(time.RFC1123, response.Header.Get("Date"))
	if err != nil {
		return "", doctor.Skipped("the backend's answers carry no date")
	}
	if skew := time.Since(theirs).Abs(); skew > clockTolerance {
		return "", fmt.Errorf("the backend's clock differs by %s", skew.Round(time.Second))
	}
	return "in step with the backend", nil
}

// checkOrigin says where links to files lead. Loopback is the default and right for
// Tale's functions, which make public links themselves, so it is no fault.
func (s *session) checkOrigin(ctx context.Context) (string, error) {
	urls, err := s.client.CanonicalURLs(ctx)
	if err != nil {
		return "", doctor.Skipped("the backend does not tell its origins")
	}
	origin, site := hostOf(urls.Cloud), s.settings.Pushed.Site.Address()
	if !isLoopback(origin) || isLoopback(site.Host) {
		return "CONVEX_CLOUD_URL is " + urls.Cloud, nil
	}
	return fmt.Sprintf("CONVEX_CLOUD_URL is %s, which other machines do not reach: for the dashboard's Files tab, and for apps that hand out storage URLs as they are, set CONVEX_CLOUD_ORIGIN=%s and CONVEX_SITE_ORIGIN=%s/http_api in the convex container",
		urls.Cloud, strings.TrimRight(site.URL(), "/"), strings.TrimRight(site.URL(), "/")), nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// explain returns the catalogue's cause of what a request returned.
func explain(stage backend.Stage, err error) error {
	observation := diagnosis.Observe(stage, err)
	return fmt.Errorf("%s (%s)", strings.TrimSuffix(diagnosis.Diagnose(observation).Cause, "."), observation.Summary())
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Hostname()
}
