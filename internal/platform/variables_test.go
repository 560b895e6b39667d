package platform

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// base returns a complete environment that a test changes.
func base(changes ...string) config.Environ {
	environ := config.Environ{
		"SITE_URL": "https://tale.example", "INSTANCE_SECRET": strings.Repeat("0", 64), "CONVEX_STORAGE": "sqlite",
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		environ[name] = value
	}
	return environ
}

func valueOf(t *testing.T, environ config.Environ, name string) string {
	t.Helper()
	settings, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(Variables(), func(v Variable) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("%s is not in the table", name)
	}
	return Variables()[i].Value(settings.Pushed)
}

func TestVariablesAreTheTwentyFour(t *testing.T) {
	if n := len(Variables()); n != 24 {
		t.Errorf("%d variables", n)
	}
}

// What is added is an operator's, and may be a text.
func TestTheGoalKnowsItsSecrets(t *testing.T) {
	settings, err := Load(base("CONVEX_ENV_SYNC_EXTRA=PROMPT"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := envGoal(settings, config.Environ{"PROMPT": "a\nb"}).Secrets
	if len(secrets) != 7 || !slices.Contains(secrets, "BETTER_AUTH_SECRET") || slices.Contains(secrets, "PROMPT") {
		t.Errorf("the secrets are %v", secrets)
	}
}

// Every row must take its value from the variable of the same name, but for
// the one that is fixed.
func TestVariablesArriveExactly(t *testing.T) {
	for _, v := range Variables() {
		if v.Name == "TALE_CONFIG_DIR" {
			continue
		}
		value := "-x='\"\n=" + v.Name + "=="
		switch v.Name {
		case "SITE_URL":
			value = "https://other.example:8443"
		case "TRUSTED_EMAIL_HEADER", "TRUSTED_NAME_HEADER", "TRUSTED_ROLE_HEADER", "TRUSTED_TEAMS_HEADER":
			value = strings.ReplaceAll(v.Name, "_", "-")
		case "BASE_PATH":
			value = "base/path/"
		}
		if got := valueOf(t, base(v.Name+"="+value), v.Name); got != value {
			t.Errorf("%s: %q, want %q", v.Name, got, value)
		}
	}
}

func TestDerivedValues(t *testing.T) {
	postgres := []string{"CONVEX_STORAGE=postgres", "DB_PASSWORD=p@ss/w:rd"}
	tests := []struct {
		environ    []string
		name, want string
	}{
		{nil, "TALE_CONFIG_DIR", "/app/data"},
		{[]string{"TALE_CONFIG_DIR=/srv/tale"}, "TALE_CONFIG_DIR", "/app/data"},
		{[]string{"SITE_URL= https://tale.example "}, "SITE_URL", "https://tale.example"},
		{[]string{"SITE_URL=https://tale.example:8443//"}, "SITE_URL", "https://tale.example:8443"},
		{nil, "RAG_URL", "http://rag:8001"},
		{[]string{"CRAWLER_URL="}, "CRAWLER_URL", "http://crawler:8002"},
		{nil, "SEARCH_SERVICE_URL", "http://search:8080"},
		{[]string{"RAG_URL=http://elsewhere:1"}, "RAG_URL", "http://elsewhere:1"},
		{nil, "POSTGRES_URL", ""},
		{nil, "RAG_DATABASE_URL", ""},
		{[]string{"POSTGRES_URL=postgresql://u:p@h:1"}, "POSTGRES_URL", "postgresql://u:p@h:1"},
		{[]string{"POSTGRES_URL=postgresql://u:p@h:1"}, "RAG_DATABASE_URL", ""},
		{postgres, "POSTGRES_URL", "postgresql://tale:p%40ss%2Fw%3Ard@db:5432"},
		{postgres, "RAG_DATABASE_URL", "postgresql://tale:p%40ss%2Fw%3Ard@db:5432/tale_knowledge"},
		{[]string{"CONVEX_STORAGE=postgres", "POSTGRES_URL=postgresql://u:p@h:1?sslmode=disable"}, "RAG_DATABASE_URL", "postgresql://u:p@h:1/tale_knowledge?sslmode=disable"},
		{append(postgres, "RAG_DATABASE_URL=x"), "RAG_DATABASE_URL", "x"},
	}
	for _, tt := range tests {
		if got := valueOf(t, base(tt.environ...), tt.name); got != tt.want {
			t.Errorf("%v: %s = %q, want %q", tt.environ, tt.name, got, tt.want)
		}
	}
}
