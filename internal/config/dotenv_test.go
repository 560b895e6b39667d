package config_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// surroundings returns the environment of the tests.
func surroundings() config.Environ { return config.Environ{"SET": "s/e=t", "EMPTY": "", "A": "outer"} }

func read(t testing.TB, path, text string) (config.Environ, error) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ, _, err := surroundings().WithFile(path)
	return environ, err
}

// byCompose reads with what docker compose is made of.
func byCompose(text string) (config.Environ, error) {
	around := surroundings()
	values, err := dotenv.ParseWithLookup(strings.NewReader(text), func(name string) (string, bool) {
		value, set := around[name]
		return value, set
	})
	delete(values, "") // of a last line without =
	maps.Copy(values, around)
	return values, err
}

func TestEnvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	for text, want := range map[string]string{
		"X=pa#ss":             "pa#ss",
		"X=pa #ss":            "pa",
		"X=#ss":               "#ss",
		"\ufeffX=1\r\n":       "1",
		"export X = 1 ":       "1",
		"X: 1":                "1",
		`X=a"b'c\d`:           `a"b'c\d`,
		`X='$A "#\'`:          "error",
		`X='$A \'#' # c`:      `$A '#`,
		`X="a\nb\"\$A$$\x"`:   "a\nb\"$A$\\x",
		"X=\"a\n# b\r\nc\"\n": "a\n# b\r\nc",
		"X=${SET}-$A":         "s/e=t-outer",
		"X=${EMPTY:-d}${N-e}": "de",
		"B=1\nX=$B${B:+y}":    "1y",
		"X=":                  "",
		"X=\x01\x7f\xff":      "\x01\x7f\xff",
		// What follows is taken by compose, which leaves something out.
		"X=pa$ss":         "error",
		"X=${N}":          "error",
		"X=${A:-${SET}}":  "error",
		`X="a"b`:          "error",
		"X=a\nMIIE":       "error",
		"X=a\nMI-E[0]=b":  "error",
		`X="\0101"`:       "error",
		"X=a Y=b":         "a Y=b",
		"X Y=b":           "error",
		"X=${A:?}${N?no}": "error",
	} {
		got, err := read(t, path, text)
		switch {
		case want == "error" && err == nil, want != "error" && (err != nil || got["X"] != want):
			t.Errorf("%q: %q, %v", text, got["X"], err)
		case err != nil && (exit.Code(err) != exit.Config || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", 1+strings.Count(text, "\n"))) || strings.Contains(err.Error(), "MI")):
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := read(t, path, "X="+strings.Repeat("x", 64<<10)); err == nil || !strings.Contains(err.Error(), "64 KiB") {
		t.Error(err)
	}
}

// TestEnvFileMeansWhatItMeansToCompose reads files of all shapes: one that is not
// refused has the values that it has there.
func TestEnvFileMeansWhatItMeansToCompose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"A", "B", "X", "SET", "EMPTY", "NAME_1", "a.b", "export", "=", "=", "=", ":", " = ", "\n", "\n", "\n", "\r\n", " ", "\t", " #", "#", "'", "'", `"`, `"`, `\`, `\\`,
		`\n`, `\t`, `\"`, `\'`, `\$`, `\0`, `\x41`, `\u0041`, `\c`, "$", "$$", "$A", "$B", "${A}", "${B:-d}", "${EMPTY:-x-y}", "${SET:+y}", "${N-1}", "${N+1}", "${EMPTY?e}", "${", "}",
		"{", "value", "pa#ss", "p@s/s", "é€😀", "\u00a0", "\u2003", "\x01", "\x7f", "\xff", "\ufeff", "-", "[", "1", ",", "%", "!", "*", "(", ")", "|", ";", "&",
	}
	path, taken := filepath.Join(t.TempDir(), "env"), 0
	for i := range 10000 {
		text := arbitrary(random, pieces)
		if i%2 == 0 {
			text = orderly(random, pieces)
		}
		got, err := read(t, path, text)
		if err != nil {
			continue
		}
		taken++
		want, err := byCompose(text)
		if err != nil {
			t.Errorf("%q is refused by compose: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-compose +ours):\n%s", text, diff)
		}
	}
	if taken < 2000 {
		t.Errorf("only %d files were not refused", taken)
	}
}

// arbitrary returns a text of pieces in any order.
func arbitrary(random *rand.Rand, pieces []string) string {
	var text strings.Builder
	for range random.IntN(14) {
		text.WriteString(pieces[random.IntN(len(pieces))])
	}
	return text.String()
}

// orderly returns lines of names and values, some in quotes.
func orderly(random *rand.Rand, pieces []string) string {
	var text strings.Builder
	for range 1 + random.IntN(3) {
		quote := []string{"", "", "'", `"`}[random.IntN(4)]
		value := arbitrary(random, pieces[11:])
		text.WriteString([]string{"", "export ", "# c\n", "\n"}[random.IntN(4)] + []string{"B", "X", "Y"}[random.IntN(3)] + []string{"=", " = ", "= ", ": "}[random.IntN(4)])
		text.WriteString(quote + value + quote + []string{"\n", "\r\n", " # c\n", ""}[random.IntN(4)])
	}
	return text.String()
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\nB='$'\nexport C=\"\\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := read(t, filepath.Join(t.TempDir(), "env"), text)
		if err != nil {
			return
		}
		if want, err := byCompose(text); err != nil || !maps.Equal(want, got) {
			t.Errorf("%q: compose %q, %v; ours %q", text, want, err, got)
		}
	})
}
