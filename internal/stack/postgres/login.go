package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// oldestVersion is the oldest server version Tale supports, as Postgres
// numbers it (server_version_num).
const oldestVersion = 160000

// loginTimeout bounds one login, so that a wait can tell a host that swallows packets
// from a slow start.
const loginTimeout = 5 * time.Second

// mostOfALogin is how much a server may send during a login, in bytes: some
// parameters, one row, and certificates. The driver would keep all of it.
const mostOfALogin = 1 << 20

// factsQuery asks for everything at once: of the schema that the backend takes (the
// first that is there and may be used), whether it may write its tables or, while
// they are missing, make them, whether they are in the usual schema instead, and whether
// there are documents: the catalog says 0 of a table that was seen to be empty, and -1 of
// one that was never looked at, which counts as in use. None of it waits for a lock on a
// table, such as that of a VACUUM FULL.
const factsQuery = `SELECT current_setting('server_version_num'), current_setting('server_version'),
	current_setting('transaction_read_only'), coalesce(current_schema(), ''),
	coalesce(has_table_privilege(own.documents, 'INSERT'), has_schema_privilege(current_schema(), 'CREATE'), false),
	own.documents IS NULL AND current_schema() <> 'public' AND EXISTS (
		SELECT FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relname = 'persistence_globals'),
	current_setting('search_path'),
	coalesce((SELECT reltuples <> 0 FROM pg_class WHERE oid = own.documents), false)
	FROM (SELECT to_regclass(quote_ident(current_schema()) || '.documents') AS documents) AS own`

// Settings are what the login adds to the database's settings, which all services
// share.
type Settings struct {
	CAFile string `env:"PG_CA_FILE" doc:"PEM file with the authority that signed the Postgres server's certificate. The backend reads it too."`
}

// Login is one real login to the backend's database.
type Login struct {
	Server   stack.Postgres
	Database string
	CAFile   string // PEM, added to the system's authorities; may be empty
	Used     bool   // a backend has used the database before
}

// Facts are what a successful login found.
type Facts struct {
	Version string // as the server prints it
	TLS     bool   // the connection is encrypted
	InUse   bool   // a backend has put documents there
}

// Try logs in the way the backend does and checks what the backend needs for its start. Every
// error is a *loginError.
func (l Login) Try(ctx context.Context) (Facts, error) { return l.try(ctx, takeLease) }

// Look does what Try does, and may be used beside a backend that runs: neither does it take the
// backend's lease for a moment, nor are the backend's commits in its way.
func (l Login) Look(ctx context.Context) (Facts, error) { return l.try(ctx, readLease) }

func (l Login) try(ctx context.Context, lease string) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	var facts Facts
	conn, secured, err := pglogin.Login{Server: l.Server, Database: l.Database, CAFile: l.CAFile, Limit: mostOfALogin}.Connect(ctx)
	facts.TLS = secured
	if err != nil {
		return facts, l.classify(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	results, err := conn.Exec(ctx, factsQuery).ReadAll()
	if err != nil {
		return facts, l.classify(netcause.Connected(err))
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 8 {
		return facts, l.classify(errors.New("the server's answer to a simple query has another shape"))
	}
	if facts, err = l.judge(facts, results[0].Rows[0]); err != nil {
		return facts, err
	}
	return facts, l.checkLease(ctx, conn, lease, time.Now())
}

func (l Login) judge(facts Facts, row [][]byte) (Facts, error) {
	version, readOnly, schema, canWrite, elsewhere, path := string(row[0]), string(row[2]), string(row[3]), string(row[4]), string(row[5]), string(row[6])
	facts.Version, facts.InUse = string(row[1]), string(row[7]) == "t"
	number, err := strconv.Atoi(version)
	switch {
	case err != nil:
		return facts, l.classify(fmt.Errorf("the server's version %q is not a number", version))
	case number < oldestVersion:
		return facts, l.verdict(causeTooOld, fmt.Sprintf("it is Postgres %s, and 16 is the oldest version that works", facts.Version))
	case readOnly == "on":
		return facts, l.verdict(causeReadOnly, "it is read-only (a standby?), and the backend must write")
	case schema == "":
		return facts, l.verdict(causeNoSchema, fmt.Sprintf("database %q has none of the schemas %s that user %q may use", l.Database, path, l.user()))
	case canWrite != "t":
		return facts, l.schemaVerdict(schema)
	case elsewhere == "t":
		return facts, l.verdict(causeElsewhere, fmt.Sprintf("schema %q of database %q is empty, and the backend's tables are in schema \"public\"", schema, l.Database))
	}
	return facts, nil
}

func (l Login) user() string { return l.Server.URL.User.Username() }
