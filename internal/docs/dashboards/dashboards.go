// Package dashboards knows which metrics the Grafana dashboard and the alert
// rules in docs/ use, so that the packages that own the metrics can test that
// each of them exists.
package dashboards

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var metricName = regexp.MustCompile(`\btale_[a-z0-9_]+\b`)

// Metrics returns the names with one of the prefixes that docs/grafana.json and
// docs/alerts.yml use. root is the repository.
func Metrics(root string, prefixes ...string) ([]string, error) {
	var names []string
	for _, file := range []string{"grafana.json", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join(root, "docs", file))
		if err != nil {
			return nil, err
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
