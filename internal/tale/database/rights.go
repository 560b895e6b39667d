package database

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// oldest is the oldest version of Postgres that the backend works with, as
// server_version_num has it.
const oldest = 160000

// Server is what a login has found out about a server and about itself.
type Server struct {
	Version    string `json:"version"`
	Number     int    `json:"-"`
	TLS        bool   `json:"tls"`
	Standby    bool   `json:"standby"`
	User       string `json:"user"`
	Superuser  bool   `json:"superuser"`
	CreateDB   bool   `json:"createDatabases"`
	CreateRole bool   `json:"createRoles"`
	extensions []string
	owners     map[string]string // of the databases
}

// server asks for everything at once.
func (c *connection) server(ctx context.Context) (Server, error) {
	rows, err := c.rows(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num'), pg_is_in_recovery(), rolname, rolsuper, rolcreatedb OR rolsuper, rolcreaterole OR rolsuper
		FROM pg_roles WHERE rolname = current_user`)
	if err != nil {
		return Server{}, err
	}
	row := rows[0]
	s := Server{Version: row[0], TLS: c.tls, Standby: row[2] == "t", User: row[3], Superuser: row[4] == "t", CreateDB: row[5] == "t", CreateRole: row[6] == "t", owners: map[string]string{}}
	s.Number, _ = strconv.Atoi(row[1])
	extensions, err := c.rows(ctx, "SELECT name FROM pg_available_extensions")
	if err != nil {
		return s, err
	}
	for _, extension := range extensions {
		s.extensions = append(s.extensions, extension[0])
	}
	owners, err := c.rows(ctx, "SELECT datname, pg_get_userbyid(datdba) FROM pg_database")
	for _, owner := range owners {
		s.owners[owner[0]] = owner[1]
	}
	return s, err
}

// Lacking is all that keeps the databases from being made, each with what to ask those for
// who run the server.
type Lacking struct {
	what []string
	code int
}

func (l *Lacking) add(code int, what, ask string) {
	l.what = append(l.what, what+"; ask for: "+ask)
	if l.code != exit.NoPermission {
		l.code = code
	}
}

func (l *Lacking) Error() string {
	return fmt.Sprintf("the server lacks what the stack needs; run the command again once it has:\n  - %s", strings.Join(l.what, "\n  - "))
}

// ExitCode returns 77 if a right is missing, and else 78.
func (l *Lacking) ExitCode() int { return l.code }

// err returns nil if nothing is missing.
func (l *Lacking) err() error {
	if len(l.what) == 0 {
		return nil
	}
	return l
}

// check finds what is missing as far as it can be known before anything is tried.
func (c *connection) check(ctx context.Context, s Server, o Options, lacking *Lacking) error {
	if s.Number < oldest {
		lacking.add(exit.Config, "it is Postgres "+s.Version, "Postgres 16 or newer")
	}
	if s.Standby {
		lacking.add(exit.Config, "it is a standby, which cannot be written to", "the address of the primary")
	}
	if o.NeedVector && !slices.Contains(s.extensions, "vector") {
		lacking.add(exit.Config, "it has no extension vector (pgvector), which rag and crawler need", "pgvector to be installed, or allowed")
	}
	if err := c.checkRole(ctx, s, o, lacking); err != nil {
		return err
	}
	for _, database := range []string{o.Platform, Knowledge} {
		if err := c.checkDatabase(ctx, s, o, database, lacking); err != nil {
			return err
		}
	}
	return nil
}

// checkRole looks whether databases can be made for the stack's role.
func (c *connection) checkRole(ctx context.Context, s Server, o Options, lacking *Lacking) error {
	if o.Role == s.User {
		return nil
	}
	rows, err := c.rows(ctx, "SELECT pg_has_role(current_user, oid, 'SET') OR pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION') FROM pg_roles WHERE rolname = $1", o.Role)
	switch {
	case err != nil:
		return err
	case len(rows) == 0 && (o.Password == "" || !s.CreateRole):
		lacking.add(exit.NoPermission, fmt.Sprintf("there is no user %q, as whom the stack logs in, and user %q cannot make it", o.Role, s.User), fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '…'", quote(o.Role)))
	case len(rows) > 0 && rows[0][0] != "t":
		lacking.add(exit.NoPermission, fmt.Sprintf("user %q cannot make anything for user %q, as whom the stack logs in", s.User, o.Role), fmt.Sprintf("GRANT %s TO %s", quote(o.Role), quote(s.User)))
	}
	return nil
}

func (c *connection) checkDatabase(ctx context.Context, s Server, o Options, database string, lacking *Lacking) error {
	owner, there := s.owners[database]
	switch {
	case !there && !s.CreateDB:
		lacking.add(exit.NoPermission, fmt.Sprintf("there is no database %q, and user %q may not make one", database, s.User), fmt.Sprintf("CREATE DATABASE %s OWNER %s", quote(database), quote(o.Role)))
	case there && owner != o.Role:
		may, err := c.value(ctx, "SELECT has_database_privilege(rolname, $2, 'CREATE') FROM pg_roles WHERE rolname = $1", o.Role, database)
		if err != nil {
			return err
		}
		if may != "t" {
			other := ""
			if database == o.Platform {
				other = "; if it is another stack's, name this one's with INSTANCE_NAME"
			}
			lacking.add(exit.NoPermission, fmt.Sprintf("the database %q belongs to %q, and %q may make nothing in it", database, owner, o.Role), fmt.Sprintf("ALTER DATABASE %s OWNER TO %s%s", quote(database), quote(o.Role), other))
		}
	}
	return nil
}
