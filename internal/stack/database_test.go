package stack_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func TestDatabaseRules(t *testing.T) {
	for _, tt := range []struct{ variables, refused string }{
		{"DB_PASSWORD=p@ss/w:rd", ""},
		{"CONVEX_STORAGE=sqlite", ""},
		{"CONVEX_STORAGE=mysql", "CONVEX_STORAGE"},
		{"", "POSTGRES_URL"},
		{"DB_PASSWORD=x DB_PORT=70000", "DB_PORT"},
		{"POSTGRES_URL=postgresql://u:canary@h:1", ""},
		{"POSTGRES_URL=postgresql://u:canary@h/tale", "POSTGRES_URL"},
		{"POSTGRES_URL=mysql://u:canary@h", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:can%ary@h", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:canary@h?sslmode=allow", "POSTGRES_URL"},
	} {
		environ := config.Environ{}
		for variable := range strings.FieldsSeq(tt.variables) {
			name, value, _ := strings.Cut(variable, "=")
			environ[name] = value
		}
		problems := problemsOf(t, &stack.Database{}, environ)
		if got := names(problems); got != tt.refused || strings.Contains(problems.Error(), "canary") {
			t.Errorf("%q: %v", tt.variables, problems)
		}
	}
}

func TestDatabaseURL(t *testing.T) {
	made := stack.Database{Storage: stack.StoragePostgres, User: "tale", Password: "p@ss/w:rd", Host: "::1", Port: 5432}
	set := stack.Database{Storage: stack.StoragePostgres, PostgresURL: "postgresql://u:p%2f@h:1?sslmode=disable"}
	for _, tt := range []struct{ name, got, want string }{
		{"made", made.URL(), "postgresql://tale:p%40ss%2Fw%3Ard@[::1]:5432"},
		{"made, of a database", made.WithDatabase("x"), "postgresql://tale:p%40ss%2Fw%3Ard@[::1]:5432/x"},
		{"set, byte for byte", set.URL(), "postgresql://u:p%2f@h:1?sslmode=disable"},
		{"set, of a database", set.WithDatabase("x"), "postgresql://u:p%2F@h:1/x?sslmode=disable"},
		{"sqlite", stack.Database{Storage: stack.StorageSQLite, Password: "p"}.URL(), ""},
		{"sqlite, of a database", stack.Database{Storage: stack.StorageSQLite, PostgresURL: set.PostgresURL}.WithDatabase("x"), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}
