package pictures

import (
	"html"
	"regexp"
	"slices"
	"strings"
)

var (
	drawnLine = regexp.MustCompile(`<text[^>]*>(.*)</text>`)
	tag       = regexp.MustCompile(`<[^>]*>`)
	// ofTheRun is a word with a number, as a time, a version or an address has, and what was there before.
	ofTheRun = regexp.MustCompile(`[\w.:/-]*\d[\w.:/-]*|up to date`)
)

// stale returns the lines that only one of two pictures has, apart from what is of one run and
// from their order. Of each line so many characters count; 0 is all.
func stale(old, fresh string, wide int) (differences []string) {
	before, now := saidBy(old, wide), saidBy(fresh, wide)
	for _, line := range before {
		if !slices.Contains(now, line) {
			differences = append(differences, "- "+line)
		}
	}
	for _, line := range now {
		if !slices.Contains(before, line) {
			differences = append(differences, "+ "+line)
		}
	}
	return differences
}

// saidBy returns the lines of a picture, with those that go on below made whole.
func saidBy(picture string, wide int) (lines []string) {
	broken := false
	for _, found := range drawnLine.FindAllStringSubmatch(picture, -1) {
		line := html.UnescapeString(tag.ReplaceAllString(found[1], ""))
		if broken {
			lines[len(lines)-1] += line
		} else {
			lines = append(lines, line)
		}
		broken = len([]rune(line)) == columns && !strings.HasSuffix(line, "…")
	}
	for i, line := range lines {
		if letters := []rune(line); wide > 0 && len(letters) > wide {
			line = string(letters[:wide])
		}
		lines[i] = strings.Join(strings.Fields(ofTheRun.ReplaceAllString(line, "")), " ")
	}
	return lines
}
