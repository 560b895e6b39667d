package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
)

// commandFlags are the backend's flags (crates/local_backend/src/config.rs) and
// the simulator's own.
type commandFlags struct {
	databaseSpec    string
	driver          string
	doNotRequireSSL bool
	listen          convexsim.Options
	cloudOrigin     string
	siteOrigin      string
	s3              bool
	version         bool
	ignored         ignoredFlags

	faults          []string
	connectDatabase bool
}

// ignoredFlags are accepted for the sake of command lines that have them.
type ignoredFlags struct {
	text [5]string
	flag [2]bool
}

var drivers = []string{
	"sqlite", "mysql-v5", "mysql-v5-aws-iam", "mysql-v5-multitenant",
	"postgres-v5", "postgres-v5-multi-schema", "postgres-v5-multitenant", "postgres-v5-aws-iam",
}

func (f *commandFlags) register(command *cobra.Command) {
	set := command.Flags()
	set.SortFlags = false
	f.databaseSpec = defaultDatabase
	set.StringVarP(&f.driver, "db", "d", "sqlite", "database `DRIVER`: "+strings.Join(drivers, ", "))
	set.StringVarP(&f.listen.Interface, "interface", "i", "0.0.0.0", "IPv4 `ADDRESS` that both ports listen on")
	set.IntVarP(&f.listen.Port, "port", "p", 3210, "`PORT` of the API; 0 = any free one")
	set.IntVar(&f.listen.SitePort, "site-proxy-port", 3211, "`PORT` of HTTP actions; 0 = any free one")
	set.StringVar(&f.cloudOrigin, "convex-origin", "", "public `URL` of the API; needs --convex-site")
	set.StringVar(&f.siteOrigin, "convex-site", "", "public `URL` of HTTP actions; needs --convex-origin")
	set.StringVar(&f.listen.InstanceName, "instance-name", "", "`NAME` of the instance; needs --instance-secret")
	set.StringVar(&f.listen.InstanceSecret, "instance-secret", "", "secret of the instance, 64 hexadecimal `DIGITS`; needs --instance-name")
	set.StringVar(&f.listen.Storage, "local-storage", "convex_local_storage", "`FOLDER` of everything that is stored")
	set.BoolVar(&f.s3, "s3-storage", false, "not simulated")
	set.BoolVar(&f.doNotRequireSSL, "do-not-require-ssl", false, "talk to the database without TLS if it has none")
	set.BoolVar(&f.ignored.flag[0], "disable-beacon", false, "accepted; the simulator never phones home")
	set.BoolVar(&f.ignored.flag[1], "redact-logs-to-client", false, "accepted; there are no function logs")
	set.StringVar(&f.ignored.text[0], "convex-http-proxy", "", "accepted; no function fetches anything")
	set.StringVar(&f.ignored.text[1], "local-log-sink", "", "accepted; there are no function logs")
	for i, name := range []string{"beacon-tag", "beacon-fields", "sentry-identifier"} {
		set.StringVar(&f.ignored.text[2+i], name, "", "accepted")
		_ = set.MarkHidden(name)
	}
	set.BoolVarP(&f.version, "version", "V", false, "print the version and end")

	set.StringArrayVar(&f.faults, "fault", nil, "`FAULT` to begin with; may be repeated")
	set.StringArrayVar(&f.listen.Functions, "function", nil, "`module:name` of a function that /api/function knows without a push; may be repeated")
	set.StringVar(&f.listen.Runner, "runner", "", "`FOLDER` with the npm packages that run functions; without it none is run")
	set.BoolVar(&f.listen.EvaluateSchema, "evaluate-schema", false, "have the route deploy2/evaluate_schema of newer backends")
	set.IntVar(&f.listen.DatabaseVersion, "database-version", 0, fmt.Sprintf("`VERSION` of the database that it finds: an older one than %d is migrated, a newer one is warned about, as the backend does", convexsim.DatabaseVersion))
	set.BoolVar(&f.connectDatabase, "connect-database", false, "prove at start that a Postgres database can be reached, and do not use it")
}

func (f *commandFlags) options(command *cobra.Command) (convexsim.Options, error) {
	given := command.Flags().Changed
	options := f.listen
	err := errors.Join(
		bothOrNone(given, "convex-origin", "convex-site"), bothOrNone(given, "instance-name", "instance-secret"),
		f.database().check(), f.checkStorage(given),
	)
	if given("convex-origin") {
		options.Origins = &convexsim.Origins{Cloud: f.cloudOrigin, Site: f.siteOrigin}
	}
	for _, text := range f.faults {
		fault, wrong := fault.Parse(text)
		err = errors.Join(err, wrong)
		options.Faults = append(options.Faults, fault)
	}
	return options, err
}

func (f *commandFlags) checkStorage(given func(string) bool) error {
	switch {
	case f.s3 && given("local-storage"):
		return errors.New("--local-storage and --s3-storage exclude each other")
	case f.s3:
		return errors.New("--s3-storage is not simulated; use --local-storage")
	}
	return nil
}

func bothOrNone(given func(string) bool, one, other string) error {
	if given(one) == given(other) {
		return nil
	}
	if given(other) {
		one, other = other, one
	}
	return fmt.Errorf("--%s requires --%s", one, other)
}

func (f *commandFlags) database() database {
	return database{driver: f.driver, spec: f.databaseSpec, requireTLS: !f.doNotRequireSSL, connect: f.connectDatabase}
}

func knownDriver(driver string) bool { return slices.Contains(drivers, driver) }
