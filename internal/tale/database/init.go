package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Options say what is made for whom.
type Options struct {
	Platform   string // the backend's database
	Role       string // as whom the stack logs in; it owns what is made
	Password   string // of Role, where it is to be made; "": it has to be there
	NeedVector bool   // without the extension vector nothing is made
	Database   string // to log in to first; "": whichever there is
	Wait       time.Duration
}

// Init makes the databases of a stack. What is there stays; so a second run changes
// nothing, and one after a kill completes what is missing. made names what was not there,
// and say tells what the stack has to do without.
func (t Target) Init(ctx context.Context, o Options, say func(string)) (made []string, err error) {
	c, err := t.anywhere(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.close(ctx)
	if err := c.lock(ctx, o.Wait, say); err != nil {
		return nil, err
	}
	server, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	lacking := &Lacking{}
	if err := c.check(ctx, server, o, lacking); err != nil {
		return nil, err
	}
	if err := lacking.err(); err != nil {
		return nil, err
	}
	all, err := steps()
	if err != nil {
		return nil, err
	}
	if made, err = c.createDatabases(ctx, server, o, all); err != nil {
		return made, err
	}
	for _, database := range []string{Platform, Knowledge} {
		if err := t.fill(ctx, o, database, all, lacking, say); err != nil {
			return made, err
		}
	}
	return made, lacking.err()
}

// anywhere logs in to any database that is there: which one makes no difference to what is
// made.
func (t Target) anywhere(ctx context.Context, o Options) (*connection, error) {
	if o.Database != "" {
		return t.connect(ctx, o.Database)
	}
	return t.admitted(ctx, append(Maintenance(t.User()), o.Platform, Knowledge, "template1"))
}

// Maintenance returns databases that a server may have for whom a user is to log in as
// who has none of its own yet: managed servers have others than postgres.
func Maintenance(user string) []string { return []string{"postgres", "tale", user, "defaultdb"} }

// createDatabases makes the role and the databases that are not there.
func (c *connection) createDatabases(ctx context.Context, s Server, o Options, all []step) (made []string, err error) {
	if o.Role != s.User {
		if made, err = c.createRole(ctx, s, o); err != nil {
			return made, err
		}
	}
	for _, step := range all {
		statement := statementOf(step.statement)
		name, is := strings.CutPrefix(strings.TrimSuffix(statement, ";"), "CREATE DATABASE ")
		if step.database != "" || !is {
			continue
		}
		name = o.named(name)
		if _, there := s.owners[name]; there {
			continue
		}
		_, err := c.run(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s", quote(name), quote(o.Role)))
		// Another client may have made it meanwhile.
		if code := state(err); err != nil && code != duplicateDatabase && code != uniqueViolation {
			return made, c.target.failed(ctx, c.database, err)
		}
		made = append(made, "database "+name)
	}
	return made, nil
}

// named returns the database that one of the scripts is for.
func (o Options) named(database string) string {
	if database == Platform {
		return o.Platform
	}
	return database
}

// createRole makes the stack's role, if it is not there, and lets the login act for it.
func (c *connection) createRole(ctx context.Context, s Server, o Options) (made []string, err error) {
	there, err := c.rows(ctx, "SELECT pg_has_role(current_user, oid, 'SET') FROM pg_roles WHERE rolname = $1", o.Role)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		secret, err := verifier(o.Password)
		if err != nil {
			return nil, err
		}
		if _, err := c.run(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", quote(o.Role), secret)); err != nil {
			return nil, c.target.failed(ctx, c.database, err)
		}
		made = []string{"user " + o.Role}
	}
	if !s.Superuser && (len(there) == 0 || there[0][0] != "t") {
		_, err = c.run(ctx, fmt.Sprintf("GRANT %s TO CURRENT_USER", quote(o.Role)))
	}
	return made, c.target.failed(ctx, c.database, err)
}

// fill runs the statements of one database, all or none of them.
func (t Target) fill(ctx context.Context, o Options, script string, all []step, lacking *Lacking, say func(string)) error {
	database := o.named(script)
	c, err := t.connect(ctx, database)
	if err != nil {
		return err
	}
	defer c.close(ctx)
	if err := c.lock(ctx, o.Wait, say); err != nil {
		return err
	}
	ctx, stop := c.watched(ctx, "making database "+database, say)
	defer stop()
	if _, err := c.run(ctx, "BEGIN"); err != nil {
		return t.failed(ctx, database, err)
	}
	if _, err := c.rows(ctx, "SELECT set_config('tale.role', $1, true)", o.Role); err != nil {
		return err
	}
	before := len(lacking.what)
	for _, step := range all {
		if step.database != script {
			continue
		}
		if err := c.attempt(ctx, step.statement, lacking); err != nil {
			return err
		}
	}
	warnings := c.takeWarnings()
	if err := c.checkExtensions(ctx, o, script, warnings, lacking); err != nil {
		return err
	}
	end := "COMMIT"
	if len(lacking.what) > before {
		end = "ROLLBACK"
	}
	_, err = c.run(ctx, end)
	for _, warning := range warnings {
		say(fmt.Sprintf("database %s: %s", database, warning))
	}
	return t.failed(ctx, database, err)
}

// attempt runs one statement. What the server refuses is told with all the rest.
func (c *connection) attempt(ctx context.Context, statement string, lacking *Lacking) error {
	_, err := c.run(ctx, "SAVEPOINT attempt;"+statement)
	switch code := state(err); {
	case err == nil:
		return nil
	case code == "" || c.IsClosed():
		return c.target.failed(ctx, c.database, err)
	case code == noPrivilege:
		_, why, _ := c.target.explain(c.database, err)
		lacking.add(exit.NoPermission, fmt.Sprintf("in database %q %s", c.database, why), fmt.Sprintf("ALTER DATABASE %s OWNER TO %s, or what Postgres names", quote(c.database), quote(c.target.User())))
	default:
		_, why, _ := c.target.explain(c.database, err)
		lacking.add(exit.Config, fmt.Sprintf("in database %q: %s", c.database, why), "what Postgres names")
	}
	_, err = c.run(ctx, "ROLLBACK TO SAVEPOINT attempt")
	return c.target.failed(ctx, c.database, err)
}

// checkExtensions looks for the one that cannot be done without: the statements leave out
// what they cannot have.
func (c *connection) checkExtensions(ctx context.Context, o Options, script string, warnings []string, lacking *Lacking) error {
	if script != Knowledge || !o.NeedVector {
		return nil
	}
	there, err := c.rows(ctx, "SELECT 1 FROM pg_extension WHERE extname = 'vector'")
	if err != nil || len(there) > 0 {
		return err
	}
	why := "extension vector (pgvector), which rag and crawler need, is not in database " + c.database
	if i := slices.IndexFunc(warnings, func(warning string) bool { return strings.Contains(warning, "extension vector:") }); i >= 0 {
		why += ": " + warnings[i]
	}
	lacking.add(exit.NoPermission, why, fmt.Sprintf("CREATE EXTENSION vector SCHEMA public in database %s", quote(c.database)))
	return nil
}
