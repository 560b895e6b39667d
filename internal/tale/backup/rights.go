package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Grant is a right to a database as a whole. No dump has those.
type Grant struct {
	Role      string `json:"role"` // everyone, or "" for the owner
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable,omitempty"`
}

// everyone is PUBLIC, by the name that no role can have.
const everyone = "public"

// databasePrivileges are what can be granted for a database as a whole.
var databasePrivileges = []string{"CONNECT", "CREATE", "TEMPORARY"}

// rightsOf is the part of a query that returns the grants of pg_database d, or null where
// there are none but those that each database has.
const rightsOf = `
  CASE WHEN datacl IS NOT NULL THEN (SELECT coalesce(json_agg(json_build_object('role', CASE grantee WHEN datdba THEN '' WHEN 0 THEN '` + everyone + `' ELSE pg_get_userbyid(grantee) END,
    'privilege', privilege_type, 'grantable', is_grantable)), '[]') FROM aclexplode(datacl)) END`

// granted returns the statements that give a database the rights that it had.
func (d Database) granted(as string) (statements []string) {
	if d.Grants == nil {
		return nil
	}
	statements = []string{"REVOKE ALL ON DATABASE " + name(as) + " FROM PUBLIC, CURRENT_USER"}
	for _, g := range d.Grants {
		if !slices.Contains(databasePrivileges, g.Privilege) {
			continue // of a newer Postgres
		}
		to := name(g.Role)
		switch g.Role {
		case everyone:
			to = "PUBLIC"
		case "":
			to = "CURRENT_USER"
		}
		statement := "GRANT " + g.Privilege + " ON DATABASE " + name(as) + " TO " + to
		if g.Grantable {
			statement += " WITH GRANT OPTION"
		}
		statements = append(statements, statement)
	}
	return statements
}

// namedInside returns the roles that a dump of the database names, where they have to be
// there: by a right that was granted or has a default, by a policy, or by the access to
// another server. Owners are none: what is restored is of the role that restores it.
const namedInside = `
SELECT coalesce(json_agg(DISTINCT pg_get_userbyid(role)), '[]') FROM (
  SELECT unnest(ARRAY[grantee, grantor]) role, owner FROM (
    SELECT relacl acl, relowner owner FROM pg_class
    UNION ALL SELECT attacl, relowner FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    UNION ALL SELECT proacl, proowner FROM pg_proc
    UNION ALL SELECT typacl, typowner FROM pg_type
    UNION ALL SELECT nspacl, nspowner FROM pg_namespace
    UNION ALL SELECT lanacl, lanowner FROM pg_language
    UNION ALL SELECT fdwacl, fdwowner FROM pg_foreign_data_wrapper
    UNION ALL SELECT srvacl, srvowner FROM pg_foreign_server
    UNION ALL SELECT lomacl, lomowner FROM pg_largeobject_metadata
    UNION ALL SELECT defaclacl, 0 FROM pg_default_acl) objects, aclexplode(acl)
  UNION ALL SELECT defaclrole, 0 FROM pg_default_acl
  UNION ALL SELECT unnest(polroles), 0 FROM pg_policy
  UNION ALL SELECT umuser, 0 FROM pg_user_mappings) roles
WHERE role <> owner AND role <> 0 AND pg_get_userbyid(role) NOT LIKE 'pg\_%';
`

// rolesFor returns the roles that a server has to have for a database.
func (s Server) rolesFor(ctx context.Context, d Database) (roles []string, err error) {
	lines, err := s.query(ctx, d.Name, namedInside)
	if err == nil {
		err = json.Unmarshal([]byte(lines[0]), &roles)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the rights in the database %s: %w", d.Name, err)
	}
	for _, g := range d.Grants {
		roles = append(roles, g.Role)
	}
	for _, r := range d.Roles {
		roles = append(roles, r.Role)
	}
	slices.Sort(roles)
	return slices.DeleteFunc(slices.Compact(roles), func(role string) bool { return role == "" || role == everyone }), nil
}

// login is what a server says of itself and of the one who restores, and which roles it has.
type login struct {
	Postgres   string   `json:"postgres"` // version
	User       string   `json:"user"`
	Superuser  bool     `json:"superuser"`
	CreateDB   bool     `json:"createdb"`
	CreateRole bool     `json:"createrole"`
	Roles      []string `json:"roles"`
	Made       []string `json:"made"` // by restores, and without a login yet
}

// madeByRestore is the comment on a role that a restore has made.
const madeByRestore = "made by tale restore"

const aboutLogin = `
SELECT json_build_object('postgres', current_setting('server_version'), 'user', rolname, 'superuser', rolsuper, 'createdb', rolcreatedb OR rolsuper, 'createrole', rolcreaterole OR rolsuper,
  'roles', (SELECT json_agg(rolname) FROM pg_roles),
  'made', (SELECT json_agg(rolname) FROM pg_roles WHERE NOT rolcanlogin AND shobj_description(oid, 'pg_authid') = '` + madeByRestore + `')) FROM pg_roles WHERE rolname = current_user;
`

// login returns that.
func (s Server) login(ctx context.Context) (l login, err error) {
	lines, err := s.query(ctx, s.maintenance(), aboutLogin)
	if err == nil {
		err = json.Unmarshal([]byte(lines[0]), &l)
	}
	return l, err
}

// Missing returns the roles that databases of a backup need and the server does not have.
func (t Target) Missing(m Manifest) []string {
	return slices.DeleteFunc(m.needs(), func(role string) bool { return slices.Contains(t.login.Roles, role) })
}

// WithoutLogin returns those of the roles that a backup needs which restores make, this one
// or an earlier one, and which have no login yet.
func (t Target) WithoutLogin(m Manifest) []string {
	return slices.DeleteFunc(m.needs(), func(role string) bool {
		return slices.Contains(t.login.Roles, role) && !slices.Contains(t.login.Made, role)
	})
}

// needs returns the roles that databases of a backup need.
func (m Manifest) needs() (roles []string) {
	for _, d := range m.Databases {
		roles = append(roles, d.Needs...)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// Allows returns an error if the server is older than the backup's, which cannot read its
// dumps, or does not let the one who restores do that, and says what to ask those for who
// run it.
func (t Target) Allows(m Manifest) error {
	if major(t.login.Postgres) < major(m.Postgres) {
		return exit.Errorf(exit.Config, "the backup is of Postgres %s, and the server of the databases is %s, which is older and cannot read it; nothing was changed: restore on a server of that version or a newer one (for the service db, an image of it under images of tale.json)", m.Postgres, t.login.Postgres)
	}
	var ask []string
	if len(m.Databases) > 0 && !t.login.CreateDB {
		ask = append(ask, "ALTER ROLE "+name(t.login.User)+" CREATEDB")
	}
	for _, d := range m.Databases {
		if _, there := t.databases[d.Name]; there && !t.owned[d.Name] { // it is to be renamed
			ask = append(ask, "ALTER DATABASE "+name(d.Name)+" OWNER TO "+name(t.login.User))
		}
	}
	if !t.login.CreateRole {
		for _, role := range t.Missing(m) {
			ask = append(ask, "CREATE ROLE "+name(role))
		}
	}
	if len(ask) == 0 {
		return nil
	}
	return exit.Errorf(exit.NoPermission, "the server of the databases does not let the user %s make what the backup needs; nothing was changed: ask those who run it for: %s", t.login.User, strings.Join(ask, "; "))
}

// major returns the first number of a version of Postgres, 0 of none.
func major(version string) (number int) {
	_, _ = fmt.Sscanf(version, "%d", &number)
	return number
}

// makeRoles makes those that are missing. They cannot log in: a backup has no passwords.
func (r Restore) makeRoles(ctx context.Context, t Target) error {
	for _, role := range t.Missing(r.Manifest) {
		statements := []string{"CREATE ROLE " + name(role), "COMMENT ON ROLE " + name(role) + " IS " + literal(madeByRestore)}
		if !t.login.Superuser { // rights that have it for their owner can be given then
			statements = append(statements, "GRANT "+name(role)+" TO CURRENT_USER")
		}
		if err := r.Server.transaction(ctx, statements...); err != nil {
			return fmt.Errorf("cannot make the role %s, which rights in the databases name: %w", role, err)
		}
	}
	return nil
}

// DropRoles removes those of some roles that restores have made, when nothing names them any more.
func (r Restore) DropRoles(ctx context.Context, roles []string) error {
	if r.Server.Container == "" || len(roles) == 0 {
		return nil
	}
	now, err := r.Server.login(ctx)
	for _, role := range roles {
		if err == nil && slices.Contains(now.Made, role) {
			_, err = r.Server.query(ctx, r.Server.maintenance(), "DROP ROLE "+name(role)+";\n")
		}
	}
	if err != nil {
		return fmt.Errorf("roles that were made stay: %w", err)
	}
	return nil
}
