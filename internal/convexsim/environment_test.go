package convexsim_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

const envUpdate = "/api/update_environment_variables"

func set(name, value string) state.EnvChange { return state.EnvChange{Name: name, Value: &value} }

func unset(name string) state.EnvChange { return state.EnvChange{Name: name} }

func update(t *testing.T, s *convexsim.Server, changes ...state.EnvChange) answered {
	t.Helper()
	return call(t, s, http.MethodPost, envUpdate, map[string]any{"changes": changes})
}

func TestEnvironmentIsStoredByteForByteAndSurvivesARestart(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	want := map[string]string{
		"PEM": "-----BEGIN KEY-----\nab==\n-----END KEY-----\n", "QUOTED": `"a" 'b' \n`, "EMPTY": "", "UTF8": "grüße 🎉",
	}
	var changes []state.EnvChange
	for name, value := range want {
		changes = append(changes, set(name, value))
	}
	if got := update(t, s, changes...); got.status != http.StatusOK || got.body != "" {
		t.Fatalf("update answered %+v", got)
	}
	s = simtest.Restart(t, s)
	for _, path := range []string{"/api/list_environment_variables", "/api/v1/list_environment_variables"} {
		var list struct {
			EnvironmentVariables map[string]string `json:"environmentVariables"`
		}
		call(t, s, http.MethodGet, path, nil).decode(t, &list)
		if !maps.Equal(list.EnvironmentVariables, want) {
			t.Errorf("%s lists %q, want %q", path, list.EnvironmentVariables, want)
		}
	}
}

func TestAnUpdateIsSortedAndAtomic(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	update(t, s, set("KEPT", "1"), set("GONE", "1"))
	update(t, s, set("TWICE", "b"), set("TWICE", "a"), set("GONE", "2"), unset("GONE"), unset("NEVER_WAS"))
	want := map[string]string{"KEPT": "1", "GONE": "2", "TWICE": "b"}
	if got := s.State().Environment; !maps.Equal(got, want) {
		t.Errorf("after the update: %q, want %q", got, want)
	}
	if got := update(t, s, set("NEW", "1"), unset("KEPT"), set(state.CloudURLVariable, "x")); got.code(t) != "EnvVarNameForbidden" {
		t.Errorf("a built-in variable could be set: %+v", got)
	}
	if got := s.State().Environment; !maps.Equal(got, want) {
		t.Errorf("a refused update changed something: %q", got)
	}
}

func TestEnvironmentLimits(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{EnvLimit: 3})
	longest := strings.Repeat("N", state.MaxEnvName)
	largest := strings.Repeat("v", state.MaxEnvValue)
	if got := update(t, s, set(longest, largest), set("_leading", "")); got.status != http.StatusOK {
		t.Errorf("the largest allowed variable was refused: %+v", got)
	}
	for want, change := range map[string]state.EnvChange{
		"EnvironmentVariableNameInvalid":   set("has-dash", ""),
		"EnvironmentVariableNameTooLong":   set(longest+"N", ""),
		"EnvironmentVariableValueTooLarge": set("NAME", largest+"v"),
	} {
		if got := update(t, s, change); got.status != http.StatusBadRequest || got.code(t) != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	if got := update(t, s, set("A", "")); got.status != http.StatusOK {
		t.Errorf("a third variable was refused: %+v", got)
	}
	if got := update(t, s, set("B", "")); got.status != http.StatusBadRequest || got.code(t) != "EnvVarLimitMet" {
		t.Errorf("a fourth variable was accepted: %+v", got)
	}
}

func TestBodiesOfTheEnvironmentAPI(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	large := fmt.Sprintf(`{"changes":[],"padding":%q}`, strings.Repeat("x", protocol.DefaultBodyLimit))
	for name, got := range map[string]answered{
		"not JSON":         call(t, s, http.MethodPost, envUpdate, "{"),
		"wrong shape":      call(t, s, http.MethodPost, envUpdate, `{"changes":3}`),
		"no changes":       call(t, s, http.MethodPost, envUpdate, `{}`),
		"too large":        call(t, s, http.MethodPost, envUpdate, large),
		"no content type":  call(t, s, http.MethodPost, envUpdate, `{"changes":[]}`, header("Content-Type", "")),
		"not a JSON type":  call(t, s, http.MethodPost, envUpdate, `{"changes":[]}`, header("Content-Type", "text/plain")),
		"brotli not known": call(t, s, http.MethodPost, envUpdate, "\x8b\x06\x80", header("Content-Encoding", "br")),
	} {
		if got.status != http.StatusBadRequest || got.code(t) != "BadJsonBody" {
			t.Errorf("%s: got %+v, want BadJsonBody", name, got)
		}
	}
	if got := call(t, s, http.MethodPost, envUpdate, `{"changes":[]}`, header("Content-Type", "application/merge+json; charset=utf-8")); got.status != http.StatusOK {
		t.Errorf("a +json type was refused: %+v", got)
	}
}
