package config_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestExcerpt(t *testing.T) {
	for _, text := range []string{"", "short", "begins" + strings.Repeat("é", 500) + "ends", "begins" + strings.Repeat("x", 500) + "ends"} {
		for _, most := range []int{0, 10, 30, 100, 10_000} {
			got := config.Excerpt(text, most)
			if len(got) > max(most, len(" … ")) || !utf8.ValidString(got) || most >= 30 && (len(text) > 20) && (!strings.HasPrefix(got, "begins") || !strings.HasSuffix(got, "ends")) {
				t.Errorf("%d of %.30q: %q", most, text, got)
			}
		}
	}
}

// The problem is told, however long the value that it quotes.
func TestProblemWithALongValueIsShort(t *testing.T) {
	problem := config.Problem{Variable: "SITE_URL", Wrong: `"` + strings.Repeat("x", 5000) + `" is no URL`, Accepted: "an URL"}
	if got := problem.String(); len(got) > 330 || !strings.HasSuffix(got, `x" is no URL; accepted: an URL`) {
		t.Errorf("%q", got)
	}
}
