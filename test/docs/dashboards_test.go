package docs_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// query is a PromQL expression of the dashboard or of a rule.
type query struct {
	where  string
	expr   string
	labels []string // that the text beside it shows
}

// owners are the services whose metrics have the prefix; the first that fits
// counts.
var owners = []struct {
	prefix   string
	services []string
}{
	// Convex ends with its first failure; there is nobody left to ask.
	{"tale_boot_failures_", []string{"platform"}},
	{"tale_boot_", []string{"platform", "convex"}},
	{"tale_child_", []string{"platform", "convex"}},
	{"tale_platform_", []string{"platform"}},
	{"tale_convex_", []string{"convex"}},
	{"tale_proxy_", []string{"proxy"}},
	{"caddy_", []string{"proxy"}},
}

var (
	metricName  = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*_[a-zA-Z0-9_:]*`)
	legendLabel = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`)
	grouping    = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	matcher     = regexp.MustCompile(`\{[^}]*\}|"[^"]*"`)
	labelName   = regexp.MustCompile(`(\w+)\s*(?:=|!)`)
	functions   = []string{"histogram_quantile", "absent_over_time", "max_over_time", "label_replace"}
	// ofTheScrape are labels that Prometheus adds; le is a histogram's own.
	ofTheScrape = []string{"instance", "job", "le"}
)

// TestDashboardAndAlertsUseMetricsThatExist asks real processes. A metric that
// nobody owns, that its owner does not show, or a label that it does not have,
// would be an empty panel or an alert that never fires.
func TestDashboardAndAlertsUseMetricsThatExist(t *testing.T) {
	queries := append(dashboardQueries(t), alertQueries(t)...)
	s := startStack(t)
	s.use()
	shown := map[string]map[string][]string{}
	for service := range s.metrics {
		shown[service] = series(s.scrape(service))
	}
	used := map[string]bool{}
	for _, q := range queries {
		labels, names := q.names()
		if len(names) == 0 {
			t.Errorf("%s: no metric in %s", q.where, q.expr)
		}
		for _, name := range names {
			for _, service := range ownersOf(name) {
				used[service] = true
				known, exists := shown[service][name]
				if !exists {
					t.Errorf("%s: %s is not a metric of %s", q.where, name, service)
					continue
				}
				for _, label := range labels {
					if !slices.Contains(known, label) && !slices.Contains(ofTheScrape, label) {
						t.Errorf("%s: %s of %s has no label %s, but %v", q.where, name, service, label, known)
					}
				}
			}
			if len(ownersOf(name)) == 0 {
				t.Errorf("%s: nobody owns %s", q.where, name)
			}
		}
	}
	for service := range s.metrics {
		if !used[service] {
			t.Errorf("neither dashboard nor alerts look at %s", service)
		}
	}
}

// names returns the labels and the metrics of the expression.
func (q query) names() (labels, metrics []string) {
	labels = slices.Clone(q.labels)
	expr := grouping.ReplaceAllStringFunc(q.expr, func(clause string) string {
		_, list, _ := strings.Cut(clause, "(")
		labels = append(labels, strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" ,()", r) })...)
		return ""
	})
	expr = matcher.ReplaceAllStringFunc(expr, func(clause string) string {
		for _, match := range labelName.FindAllStringSubmatch(clause, -1) {
			labels = append(labels, match[1])
		}
		return ""
	})
	for _, name := range metricName.FindAllString(expr, -1) {
		if !slices.Contains(functions, name) {
			metrics = append(metrics, name)
		}
	}
	return labels, metrics
}

func ownersOf(metric string) []string {
	for _, owner := range owners {
		if strings.HasPrefix(metric, owner.prefix) {
			return owner.services
		}
	}
	return nil
}

// series returns the names in the text of a scrape with the labels of each.
func series(text string) map[string][]string {
	found := map[string][]string{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name := line[:strings.IndexAny(line, "{ ")]
		labels := found[name]
		for _, match := range labelName.FindAllStringSubmatch(strings.TrimPrefix(line, name), -1) {
			labels = append(labels, match[1])
		}
		slices.Sort(labels)
		found[name] = slices.Compact(labels)
	}
	return found
}

func legendLabels(text string) (labels []string) {
	for _, match := range legendLabel.FindAllStringSubmatch(text, -1) {
		labels = append(labels, match[1])
	}
	return labels
}

func dashboardQueries(t *testing.T) (queries []query) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(readDoc(t, "grafana.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, query{"panel " + panel.Title, target.Expr, legendLabels(target.LegendFormat)})
		}
	}
	return queries
}

func alertQueries(t *testing.T) (queries []query) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict(readDoc(t, "alerts.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" {
				t.Errorf("the alert %s does not say what to do", rule.Alert)
			}
			queries = append(queries, query{"alert " + rule.Alert, rule.Expr, legendLabels(rule.Annotations["summary"])})
		}
	}
	return queries
}

func readDoc(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
