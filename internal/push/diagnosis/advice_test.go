package diagnosis

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What an advice has its reader search the backend's log for is there to be found.
func TestEverySearchOfTheLogCanFindSomething(t *testing.T) {
	var lines []string
	for line := range strings.Lines(testkit.ReadFile(t, "testdata/backend-log.txt")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '@' {
			lines = append(lines, line)
		}
	}
	search := regexp.MustCompile(`logs (?:--tail \d+ )?convex \| grep -iE? '?([\w|]+)'?`)
	searches := map[string]bool{}
	for _, section := range (advisor{place.Compose()}).catalogue() {
		for _, row := range section.rows {
			for _, fix := range row.fix {
				if strings.Contains(fix, "convex | grep") && !search.MatchString(fix) {
					t.Errorf("the search of %q is not understood", fix)
				}
				for _, found := range search.FindAllStringSubmatch(fix, -1) {
					for word := range strings.SplitSeq(found[1], "|") {
						searches[word] = true
					}
				}
			}
		}
	}
	if len(searches) < 5 {
		t.Fatalf("searches for %v", searches)
	}
	for word := range searches {
		matcher := regexp.MustCompile("(?i)" + word)
		found := false
		for _, line := range lines {
			found = found || matcher.MatchString(line)
		}
		if !found {
			t.Errorf("no line of the backend has %q", word)
		}
	}
}

// The log has what is the backend's fault; what it refuses is in its answer alone
// (common::errors at warn). So no advice about a refusal begins with the log.
func TestRefusalsDoNotSendToTheLog(t *testing.T) {
	for _, section := range (advisor{place.Compose()}).catalogue() {
		for _, row := range section.rows {
			refusal := row.retry == RetryNo && row.codes != nil
			for _, fix := range row.fix {
				if refusal && fix == (advisor{place.Compose()}).readBackendLog() {
					t.Errorf("%v: %q", row.codes, row.fix)
				}
			}
		}
	}
	asksForMore := func(fix string) bool { return strings.HasPrefix(fix, "RUST_LOG=info") }
	if d := Diagnose(Observation{Status: 400, Code: "New"}); slices.IndexFunc(d.Fix, asksForMore) < 0 || slices.IndexFunc(d.Fix, asksForMore) > slices.Index(d.Fix, (advisor{place.Here()}).readBackendLog()) {
		t.Errorf("an unknown refusal: %q", d.Fix)
	}
	if d := Diagnose(Observation{Status: 500, Code: "New"}); d.Fix[0] != (advisor{place.Here()}).readBackendLog() {
		t.Errorf("an unknown failure: %q", d.Fix)
	}
}
