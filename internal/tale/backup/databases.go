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
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname;
`

// databases returns those that hold data of users, and no leftovers of restores.
func (s Server) databases(ctx context.Context) (found []Database, err error) {
	lines, err := s.query(ctx, maintenance, aboutDatabases)
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
		d.Settings = slices.DeleteFunc(d.Settings, func(setting string) bool { return strings.HasPrefix(setting, restoredSetting+"=") })
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

// properties returns the statements that give a database what no dump says of it.
func (d Database) properties(as string) (statements []string) {
	for _, setting := range d.Settings {
		statements = append(statements, "ALTER DATABASE "+name(as)+" SET "+assigned(setting))
	}
	for _, r := range d.Roles {
		for _, setting := range r.Settings {
			if r.Role == "" {
				statements = append(statements, "ALTER ROLE CURRENT_USER IN DATABASE "+name(as)+" SET "+assigned(setting))
				continue
			}
			// Another server may not have it, or not let this one change it.
			alter := literal("ALTER ROLE " + name(r.Role) + " IN DATABASE " + name(as) + " SET " + assigned(setting))
			statements = append(statements, "DO "+literal("BEGIN EXECUTE "+alter+"; EXCEPTION WHEN undefined_object OR insufficient_privilege THEN RAISE WARNING '%', SQLERRM; END"))
		}
	}
	if d.Comment != "" {
		statements = append(statements, fmt.Sprintf("COMMENT ON DATABASE %s IS %s", name(as), literal(d.Comment)))
	}
	return statements
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
