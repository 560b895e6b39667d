package convexsim

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// The instance that the backend runs as when it is given none. The secret is
// public (crates/keybroker), so nothing is protected by it.
const (
	DefaultInstanceName   = "carnitas"
	DefaultInstanceSecret = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974"
)

// Defaults of the backend's knobs (crates/common/src/knobs.rs).
const (
	defaultEnvLimit       = 1000
	defaultMaxPushBytes   = 200_000_000
	defaultRequestTimeout = 300 * time.Second
)

// DatabaseVersion is the version of the database that the simulated backend makes and
// migrates to (crates/migrations_model at 5f66740a).
const DatabaseVersion = 124

// UnknownVersion is what /version answers on an image whose build did not set a
// release, which is every published one.
const UnknownVersion = "unknown"

// Options say how a simulator starts. The zero value of each field but Storage
// is what the backend does without the flag.
type Options struct {
	InstanceName   string
	InstanceSecret string // 64 hexadecimal digits
	Interface      string // IPv4 address both ports listen on; 0.0.0.0
	Port           int    // 0 = any free one
	SitePort       int    // 0 = any free one
	Origins        *Origins
	// Storage is the folder of everything that survives a restart. It is made
	// when it does not exist.
	Storage string
	// Version is what /version answers; empty and "dev" mean "unknown", as in
	// the backend's CONVEX_RELEASE_VERSION_DEV.
	Version string
	// EvaluateSchema adds POST /api/deploy2/evaluate_schema, which the simulated
	// backend does not have yet and newer clients ask for.
	EvaluateSchema bool
	// Functions names functions ("migrations:runAll") that /api/function answers
	// although no pushed module has them.
	Functions []string
	// Runner is the folder with the packages that functions are run with (package
	// runner). Empty means that none is run.
	Runner string
	Faults []fault.Fault
	// DatabaseVersion is the version of the database that is found; 0 is the own one.
	DatabaseVersion int

	EnvLimit       int           // most environment variables; 1000
	MaxPushBytes   int64         // largest push after decompression; 200,000,000
	RequestTimeout time.Duration // 300 s
	Log            *slog.Logger  // nil = none
}

// Origins are the public URLs of the two ports, known to functions as
// CONVEX_CLOUD_URL and CONVEX_SITE_URL.
type Origins struct{ Cloud, Site string }

func (o Options) withDefaults() Options {
	if o.InstanceName == "" && o.InstanceSecret == "" {
		o.InstanceName, o.InstanceSecret = DefaultInstanceName, DefaultInstanceSecret
	}
	if o.Interface == "" {
		o.Interface = "0.0.0.0"
	}
	if o.Version == "" || o.Version == "dev" {
		o.Version = UnknownVersion
	}
	if o.EnvLimit == 0 {
		o.EnvLimit = defaultEnvLimit
	}
	if o.MaxPushBytes == 0 {
		o.MaxPushBytes = defaultMaxPushBytes
	}
	if o.DatabaseVersion == 0 {
		o.DatabaseVersion = DatabaseVersion
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	return errors.Join(o.checkInstance(), o.checkAddress(), o.checkOrigins(), o.checkRunner())
}

func (o Options) checkRunner() error {
	if o.Runner == "" {
		return nil
	}
	return runner.CheckInstalled(o.Runner)
}

func (o Options) checkInstance() error {
	if err := adminkey.CheckInstanceName(o.InstanceName); err != nil {
		return fmt.Errorf("the instance name %w", err)
	}
	if _, err := adminkey.ParseSecret(o.InstanceSecret); err != nil {
		return fmt.Errorf("the instance secret %w", err)
	}
	return nil
}

func (o Options) checkAddress() error {
	if o.Storage == "" {
		return errors.New("no storage folder was given")
	}
	if ip := net.ParseIP(o.Interface); ip == nil || ip.To4() == nil {
		return fmt.Errorf("the interface %q is not an IPv4 address", o.Interface)
	}
	for _, port := range []int{o.Port, o.SitePort} {
		if port < 0 || port > 65535 {
			return fmt.Errorf("%d is not a port", port)
		}
	}
	return nil
}

func (o Options) checkOrigins() error {
	if o.Origins == nil {
		return nil
	}
	for name, origin := range map[string]string{"origin": o.Origins.Cloud, "site": o.Origins.Site} {
		if origin != "" && !strings.HasPrefix(origin, "http://") && !strings.HasPrefix(origin, "https://") {
			return fmt.Errorf("the %s URL %q must start with http:// or https://", name, origin)
		}
	}
	return nil
}
