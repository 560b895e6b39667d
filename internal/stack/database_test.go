package stack_test

import (
	"math/rand/v2"
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
		{"DB_PASSWORD=x DB_HOST=db:5432", "DB_HOST"},
		{"DB_PASSWORD=x DB_HOST=postgresql://db", "DB_HOST"},
		{"DB_PASSWORD=x DB_HOST=/var/run/postgresql", "DB_HOST"},
		{"DB_PASSWORD=x DB_HOST=[::1]", "DB_HOST"},
		{"DB_PASSWORD=x DB_HOST=fe80::1", ""},
		{"POSTGRES_URL=postgresql://u:canary@h?keepalives_retries=4294967296", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:canary@h:1", ""},
		{"POSTGRES_URL=postgresql://u:canary@h/tale", "POSTGRES_URL"},
		{"POSTGRES_URL=mysql://u:canary@h", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:can%ary@h", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:canary@h?sslmode=allow", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:canary@h?application_name=a&channel_binding=require&keepalives=1&connect_timeout=5&target_session_attrs=read-write", ""},
		{"POSTGRES_URL=postgresql://u:canary@h?connect_timeout=soon", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:canary@h?options=a&options=b", "POSTGRES_URL"},
		{"POSTGRES_URL=postgresql://u:canary@h?options=%zz", "POSTGRES_URL"},
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

// Whatever is no form of URL that the backend takes is refused in words of its own.
func TestWhatIsWrongWithAPostgresURL(t *testing.T) {
	for raw, want := range map[string]string{
		"postgresql://u:canary@h?sslrootcert=/ca.pem":     "PG_CA_FILE",
		"postgresql://u:canary@h?sslcert=/a&sslkey=/b":    "client certificates",
		"postgresql://u:canary@h?pgbouncer=true":          "Prisma",
		"postgresql://u:canary@h?connection_limit=5":      "POSTGRES_MAX_CONNECTIONS",
		"postgresql://u:canary@h?schema=convex":           "search_path",
		"postgresql://u:canary@h?sslnegotiation=direct":   `the sslnegotiation "direct"`,
		"postgresql://u:canary@h?uselibpqcompat=true":     `"uselibpqcompat", which the backend refuses`,
		"postgresql://u:canary@h?dbname=x":                "INSTANCE_NAME",
		"postgresql://u:canary@h?a=1&b=2":                 `"a", which the backend refuses; remove it; and has the parameter "b"`,
		"postgresql://u:canary@%2Fvar%2Frun%2Fpostgresql": "Unix socket",
		"postgresql://u:canary@/var/run/postgresql":       "Unix socket",
		"postgresql://u:canary@?host=/var/run/postgresql": "Unix socket",
		"postgresql:///?host=%2Fvar%2Frun&user=u":         "Unix socket",
		"postgresql://u:canary@a:5432,b:5432":             "several hosts",
		"postgresql://u:canary@a,b":                       "several hosts",
		"postgresql://u:canary@::1:5432":                  "brackets",
		"postgresql+asyncpg://u:canary@h":                 "does not begin",
		`"postgresql://u:canary@h"`:                       "does not begin",
		"host=h user=u password=canary":                   "does not begin",
		"postgresql://u:can?ary@h":                        "percent-encoded",
		"postgresql://u:can#ary@h":                        "percent-encoded",
		"postgresql://u:canary@h:port":                    "percent-encoded",
		"postgresql://u:canary@h:70000":                   "port out of range",
		"postgresql://u:canary@h:0":                       "port out of range",
		"postgresql://u:canary@[fe80::1%25eth0]":          "with a zone",
		"postgresql://u:canary@m\u00fcnchen.example":      "xn--",
		"postgresql://u:canary@h<x>":                      "no host name or address",
		"postgresql://u%00:canary@h":                      "not part of such a URL",
	} {
		err := stack.Database{Storage: stack.StoragePostgres, PostgresURL: config.Secret(raw)}.Validate().Err()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "ary@") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// The backend drops search_path and makes plus signs of blanks.
func TestParametersArriveAsTheyWereMeant(t *testing.T) {
	for set, want := range map[string]string{
		"": "", "sslmode=require": "", "sslmode=disable": "sslmode=disable",
		"search_path=convex":                               "options=-csearch_path%3Dconvex",
		"search_path=a,+b":                                 "options=-csearch_path%3Da%2C%5C%09b",
		"options=-c%20search_path%3Dconvex%20-c+a%3Db":     "options=-c%09search_path%3Dconvex%09-c%09a%3Db",
		"options=-cb%3Dc&search_path=a&application_name=x": "application_name=x&options=-cb%3Dc%09-csearch_path%3Da",
	} {
		server, err := stack.Database{PostgresURL: config.Secret("postgresql://u:p@h.example?" + set)}.Server()
		if err != nil || server.URL.RawQuery != want {
			t.Errorf("%s: %s, %v", set, server.URL.RawQuery, err)
		}
	}
}

func TestPortOfAServiceLinkIsNamed(t *testing.T) {
	problems := problemsOf(t, &stack.Database{}, config.Environ{"DB_PASSWORD": "x", "DB_PORT": "tcp://10.96.0.12:5432"})
	if names(problems) != "DB_PORT" || !strings.Contains(problems.Error(), "enableServiceLinks: false") {
		t.Error(problems)
	}
	if problems := problemsOf(t, &stack.Database{}, config.Environ{"DB_PASSWORD": "x", "DB_PORT": "x"}); strings.Contains(problems.Error(), "Kubernetes") {
		t.Error(problems)
	}
}

func TestWhoseServerItIs(t *testing.T) {
	for _, tt := range []struct {
		database stack.Database
		want     bool
	}{
		{stack.Database{Host: "db"}, false},
		{stack.Database{Host: "10.0.0.5"}, true},
		{stack.Database{Host: "db", PostgresURL: "postgresql://u:p@db:5432"}, true}, // of that name, and not the stack's
		{stack.Database{Host: "db", PostgresURL: "postgresql://u:p@db.example.com"}, true},
		{stack.Database{Host: "db", PostgresURL: "postgresql://%"}, true},
		{stack.Database{Host: "10.0.0.5", Storage: stack.StorageSQLite, PostgresURL: "postgresql://u:p@x"}, false},
	} {
		if got := tt.database.IsElsewhere(); got != tt.want {
			t.Errorf("%+v: %v", tt.database, got)
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

// TestNoPieceOfAPasswordIsShown: what stands in a URL without being escaped looks like
// something else.
func TestNoPieceOfAPasswordIsShown(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	const special = "/?#@:&=%+, "
	for range 5000 {
		var password strings.Builder
		password.WriteString("SeCrEt")
		for range 1 + random.IntN(3) {
			password.WriteByte(special[random.IntN(len(special))])
			password.WriteString([]string{"SeCrEt", ""}[random.IntN(2)])
		}
		raw := "postgresql://tale:" + password.String() + "@db.example:5432" + []string{"", "/", "?sslmode=require"}[random.IntN(3)]
		problems := problemsOf(t, &stack.Database{}, config.Environ{"POSTGRES_URL": raw})
		if len(problems) > 0 && strings.Contains(problems.Error(), "SeCrEt") {
			t.Fatalf("%s: %v", raw, problems)
		}
	}
}
