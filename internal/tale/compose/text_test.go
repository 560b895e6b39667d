package compose_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// pieces are what means something to YAML, to compose or to a shell, and what is rare.
var pieces = []string{
	"$", "$$", "${A}", "${A:-b}", "${", "}", "$A", `"`, "'", "`", `\`, `\n`, "\n", "\n\n", "\r", "\t", " ", "  ", "#", " #", ": ", ":", "- ", "-", "---", "...", "? ",
	"&a", "*a", "!reset", "!!binary", "!", "%", "@", "|", ">", "[", "]", "{", ",", "=", "<<", "~", "null", "true", "no", "on", "0x10", "1e3", "1_000", "012", "12:30:45", ".inf",
	"2001-01-01", "\u00e9", "\u65e5\u672c", "\U0001F600", "\u0085", "\u2028", "\u2029", "\ufeff", "\u00a0", "\u200b", "\x01", "\x1b[0m", "\x7f", "\u0080", "\ufffd", "\U0010ffff",
	"a", "B", "7", ".", "/", "word", strings.Repeat("long ", 40), strings.Repeat("x", 300),
}

func randomText(random *rand.Rand) string {
	var text strings.Builder
	for range random.IntN(7) {
		text.WriteString(pieces[random.IntN(len(pieces))])
	}
	return text.String()
}

// randomEnvironment returns variables with such values.
func randomEnvironment(random *rand.Rand, count int) map[string]string {
	env := map[string]string{}
	for i := range count {
		env[fmt.Sprintf("%s_%d", []string{"A", "B.c", "_d", "no", "On", "x-e"}[random.IntN(6)], i)] = randomText(random)
	}
	for _, piece := range pieces {
		env[fmt.Sprintf("PIECE_%x", piece)] = piece
	}
	return env
}

var environments = flag.Int("environments", 2, "how many random .env files the plugin reads")

// container is what a reader makes of a service.
type container struct {
	Environment map[string]*string
	Command     []string
	Labels      map[string]string
}

// checkReading gives a model whatever a file can hold and compares what a reader finds in
// its files, by the names there, with what the model says.
func checkReading(t *testing.T, random *rand.Rand, variables int, read func(project, path string) map[string]container) {
	t.Helper()
	env := randomEnvironment(random, variables)
	word := randomText(random)
	env["WORD"] = word
	override, err := json.Marshal(map[string]any{"services": map[string]any{"rag": map[string]any{
		"labels":  map[string]string{"label.$x": "${WORD}"},
		"command": []string{"${WORD}", "a${WORD}b", "$$HOME", "${NONE:-$$}"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	model := production(t, options(t, env, string(override)))
	for project, colour := range map[string]string{id: "", id + "-blue": stack.Blue} {
		path, err := model.Write(project, nil)
		if err != nil {
			t.Fatal(err)
		}
		found := read(project, path)
		for _, service := range model.Services(colour) {
			name := stack.Coloured(service.Name, colour)
			got := map[string]string{}
			for name, value := range found[name].Environment {
				got[name] = *value
			}
			if diff := cmp.Diff(service.Environment, got); diff != "" {
				t.Errorf("%s: meant (-) and read (+) differ:\n%s", name, diff)
			}
			for variable, value := range env {
				if name == "rag-blue" && got[variable] != value {
					t.Errorf("%s is %q instead of %q", variable, got[variable], value)
				}
			}
		}
		if rag := found["rag-blue"]; colour != "" && (!slices.Equal(rag.Command, []string{word, "a" + word + "b", "$HOME", "$"}) || rag.Labels["label.$x"] != word) {
			t.Errorf("%q is read as %q and %q", word, rag.Command, rag.Labels)
		}
	}
}

// TestFilesSayWhatIsMeant: whatever stands in .env, a container gets it to the letter, as
// compose-go reads the files.
func TestFilesSayWhatIsMeant(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		checkReading(t, random, 50, func(_, path string) map[string]container {
			found := map[string]container{}
			for name, service := range load(t, path, types.Mapping{"A": "wrong", "HOST": "wrong"}).Services {
				found[name] = container{service.Environment, service.Command, service.Labels}
			}
			return found
		})
	}
}

// TestThePluginReadsWhatIsMeant: so does the plugin that makes the containers.
func TestThePluginReadsWhatIsMeant(t *testing.T) {
	docker := testkit.Compose(t)
	random := rand.New(rand.NewPCG(3, 4))
	for range *environments {
		checkReading(t, random, 30, func(project, path string) map[string]container {
			command := exec.CommandContext(t.Context(), docker, "compose", "-p", project, "-f", path, "config", "--format", "json")
			command.Env = append(command.Environ(), "A=wrong", "HOST=wrong")
			command.Stderr = t.Output()
			out, err := command.Output()
			if err != nil {
				t.Fatal(err)
			}
			var file struct{ Services map[string]container }
			// It doubles what is to be read again.
			if err := json.Unmarshal(bytes.ReplaceAll(out, []byte("$$"), []byte("$")), &file); err != nil {
				t.Fatal(err)
			}
			return file.Services
		})
	}
}
