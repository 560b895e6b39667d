// Package pglogin logs in to a Postgres server as the backend does: with the parameters
// of the URL that the backend takes, its rules of TLS, and nothing of what libpq reads
// from its environment. What a failed login means to its user says the caller.
package pglogin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// Login is what to log in to, and how.
type Login struct {
	Server     stack.Postgres
	Database   string
	CAFile     string            // PEM, added to the system's authorities; may be empty
	Dial       pgconn.DialFunc   // nil: from this machine
	Parameters map[string]string // of the session, besides those of the URL
	Limit      int               // bytes that the server may send; 0: no limit
	OnNotice   pgconn.NoticeHandler
	Cancel     bool // what runs on the server when a context ends is to end, too
}

// cancelPatience is how long a server may take to end what it is asked to.
const cancelPatience = 5 * time.Second

// Connect logs in, and reports whether the connection is encrypted. An error after the
// connection was made is a netcause.Connected one.
func (l Login) Connect(ctx context.Context) (conn *pgconn.PgConn, secured bool, err error) {
	settings, err := l.settings(&secured)
	if err != nil {
		return nil, false, err
	}
	var connected atomic.Bool
	dial := l.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	} else { // names are those of where it dials from
		settings.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	settings.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		connected.Store(err == nil)
		return conn, err
	}
	if l.Cancel {
		settings.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelPatience}
		}
	}
	limitMessages(settings, cmp.Or(l.Limit, mostMessage))
	if l.Limit > 0 {
		limitAll(settings, l.Limit)
	}
	conn, err = pgconn.ConnectConfig(ctx, settings)
	if err != nil && connected.Load() {
		err = netcause.Connected(err)
	}
	return conn, secured, err
}

// ownSettings replace what the driver would take from PGPORT, PGOPTIONS and the other
// variables of libpq, which the backend does not read. TLS is negotiated by
// negotiateTLS, which does what the backend does and can tell a refusal from a bad
// certificate.
const ownSettings = "sslmode=disable&sslnegotiation=postgres&sslcertmode=allow&sslcert=&sslkey=&sslrootcert=&passfile=&connect_timeout=0" +
	"&target_session_attrs=any&min_protocol_version=3.0&max_protocol_version=3.0&require_auth=&service=none&servicefile="

func (l Login) settings(secured *bool) (*pgconn.Config, error) {
	// It takes the place of that of PGSERVICE, which could not be overruled otherwise.
	services, remove, err := serviceFile("[none]\n")
	if err != nil {
		return nil, fmt.Errorf("cannot prepare a login that inherits nothing: %w", err)
	}
	defer remove()
	u, parameters := *l.Server.URL, l.Server.URL.Query()
	u.Host = net.JoinHostPort(u.Hostname(), l.Server.Port())
	u.Path = "/" + l.Database
	u.RawQuery = ownSettings + url.QueryEscape(services) + "&channel_binding=" + parameters.Get("channel_binding")
	settings, err := pgconn.ParseConfig(u.String())
	if err != nil {
		return nil, errors.New("the connection settings cannot be read") // the error may show the URL
	}
	settings.Password, _ = u.User.Password()
	settings.RuntimeParams = maps.Clone(l.Parameters)
	if settings.RuntimeParams == nil {
		settings.RuntimeParams = map[string]string{}
	}
	settings.OnNotice = l.OnNotice
	for _, name := range []string{"options", "application_name"} {
		if parameters.Has(name) {
			// The backend writes the parameters anew as a form, in which a blank is a plus
			// sign, and its driver takes that for one.
			settings.RuntimeParams[name] = strings.ReplaceAll(parameters.Get(name), " ", "+")
		}
	}
	settings.AfterNetConnect = func(ctx context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		negotiated, err := l.negotiateTLS(ctx, conn)
		if err != nil {
			return conn, err // the driver closes what it gets back
		}
		if _, *secured = negotiated.(*tls.Conn); !*secured {
			negotiated = &greetedConn{Conn: negotiated}
		}
		return negotiated, nil
	}
	return settings, nil
}
