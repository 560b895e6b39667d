package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const aboutDatabases = `
SELECT json_build_object('name', datname, 'bytes', pg_database_size(d.oid), 'encoding', pg_encoding_to_char(encoding),
  'collate', datcollate, 'ctype', datctype, 'provider', coalesce(to_jsonb(d)->>'datlocprovider', ''),
  'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', ''),
  'comment', coalesce(shobj_description(d.oid, 'pg_database'), ''),
  'settings', (SELECT coalesce(json_agg(setting), '[]') FROM pg_db_role_setting s, unnest(setconfig) setting WHERE s.setdatabase = d.oid AND s.setrole = 0),
  'roles', (SELECT coalesce(json_agg(json_build_object('role', CASE rolname WHEN current_user THEN '' ELSE rolname END, 'settings', setconfig) ORDER BY rolname), '[]')
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid),
  'grants',` + rightsOf + `)
FROM pg_database d WHERE NOT datistemplate AND `

// databases returns the project's, and no leftovers of restores.
func (s Server) databases(ctx context.Context) (found []Database, err error) {
	lines, err := s.query(ctx, s.maintenance(), aboutDatabases+s.ours()+" ORDER BY datname;\n")
	for _, line := range lines {
		if line == "" {
			continue
		}
		var d Database
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			return nil, fmt.Errorf("cannot read what Postgres says of its databases: %w", err)
		}
		if _, before := endingOfBefore(d.Name); before || strings.HasSuffix(d.Name, restoringEnding) {
			continue
		}
		d.Comment = unmarked(d.Comment)
		if d.Needs, err = s.rolesFor(ctx, d); err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, err
}

// quote returns a name or a text as SQL has it, between marks.
func quote(text, mark string) string {
	return mark + strings.ReplaceAll(text, mark, mark+mark) + mark
}

func name(text string) string { return quote(text, `"`) }

// literal keeps backslashes as they are, whatever the server is set to.
func literal(text string) string {
	if strings.Contains(text, `\`) {
		return " E" + quote(strings.ReplaceAll(text, `\`, `\\`), "'")
	}
	return quote(text, "'")
}

// created returns the statement that makes an empty database with the same properties.
func (d Database) created(as string) string {
	text := "CREATE DATABASE " + name(as) + " TEMPLATE template0 ENCODING " + literal(d.Encoding) + " LC_COLLATE " + literal(d.Collate) + " LC_CTYPE " + literal(d.Ctype)
	switch d.Provider {
	case "i":
		text += " LOCALE_PROVIDER icu ICU_LOCALE " + literal(d.Locale)
	case "b":
		text += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + literal(d.Locale)
	}
	return text
}

// lists are the settings whose value is a list that is quoted already.
var lists = []string{"search_path", "local_preload_libraries", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"}

// properties returns the statements that give a database what no dump says of it. The user
// of a server that others run may not set all that its superuser may: what it may not is
// warned of, and so is a role that is not there.
func (d Database) properties(as string) (statements []string) {
	statements = d.granted(as)
	attempt := func(whose, setting string) {
		alter := "ALTER " + whose + " SET " + assigned(setting)
		key, _, _ := strings.Cut(setting, "=") // the value may be a secret
		statements = append(statements, "DO "+literal("BEGIN EXECUTE "+literal(alter)+"; EXCEPTION WHEN undefined_object OR insufficient_privilege THEN RAISE WARNING '%, which % needs', SQLERRM, "+literal("ALTER "+whose+" SET "+settingName(key))+"; END"))
	}
	for _, setting := range d.Settings {
		attempt("DATABASE "+name(as), setting)
	}
	for _, r := range d.Roles {
		role := "CURRENT_USER"
		if r.Role != "" {
			role = name(r.Role)
		}
		for _, setting := range r.Settings {
			attempt("ROLE "+role+" IN DATABASE "+name(as), setting)
		}
	}
	return statements
}

// restoredMark is in the last line of the comment on a database, before the id of the run
// that has restored it in full: its owner may always write that.
const restoredMark = "tale.restored="

// marked returns the statement that says which run has restored a database.
func (d Database) marked(as, run string) string {
	return "COMMENT ON DATABASE " + name(as) + " IS " + literal(strings.TrimPrefix(d.Comment+"\n", "\n")+restoredMark+run)
}

// unmarked returns a comment as it was before.
func unmarked(comment string) string {
	i := strings.LastIndex(comment, restoredMark)
	if i < 0 || strings.Contains(comment[i:], "\n") {
		return comment
	}
	return strings.TrimSuffix(comment[:i], "\n")
}

// assigned returns a setting as a statement has it.
func assigned(setting string) string {
	key, value, _ := strings.Cut(setting, "=")
	if !slices.Contains(lists, key) || value == "" {
		value = literal(value)
	}
	return settingName(key) + " TO " + value
}

// settingName quotes the parts of the name of a setting.
func settingName(key string) string {
	parts := strings.Split(key, ".")
	for i := range parts {
		parts[i] = name(parts[i])
	}
	return strings.Join(parts, ".")
}
