package kubernetes_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// switches are the values of the chart that do what a component does.
var switches = map[string][]string{
	"autoscale":          {"--set", "autoscale.enabled=true"},
	"autoscale-requests": {"--set", "autoscale.enabled=true,autoscale.requests=16"},
	"external-database":  {"--set", "externalDatabase.enabled=true,externalDatabase.ca=certificate\n"},
	"ingress":            {"--set", "ingress.enabled=true"},
	"letsencrypt":        {"--set", "letsencrypt.enabled=true,letsencrypt.email=owner@example.com"},
	"node-loss":          {"--set", "nodeLoss.enabled=true"},
	"python":             {"--set", "python.enabled=true"},
}

// The chart and the kustomize base say the same: with the values that a site has to give, and
// with what each component, and every two of them, does.
func TestChartIsTheSite(t *testing.T) {
	h := compileHelm(t)
	for _, chosen := range append(choices(t), nil) {
		t.Run(strings.Join(chosen, "+"), func(t *testing.T) {
			var values []string
			for _, component := range chosen {
				if switches[component] == nil {
					t.Fatalf("no value of the chart does what %s does", component)
				}
				values = append(values, switches[component]...)
			}
			if diff := cmp.Diff(plain(t, render(t, "site", chosen...)), plain(t, h.template(t, values...))); diff != "" {
				t.Errorf("the site (-) is not what the chart makes (+):\n%s", diff)
			}
		})
	}
}

// Both tables of docs/orchestrators.md name every component.
func TestComponentsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/orchestrators.md")
	if err != nil {
		t.Fatal(err)
	}
	for component := range switches {
		if rows := strings.Count(string(page), "\n| `"+component+"` |"); rows != 2 {
			t.Errorf("%s has %d rows, want one for kustomize and one for Helm", component, rows)
		}
	}
}

// plain returns objects by name, as the API server is sent them, without what is not the same
// for good reasons: the namespace and the Secrets, which helm's users make, hashes, which stand
// in names here and in annotations there, and what tells of the tool.
func plain(t *testing.T, all manifests) map[string]any {
	t.Helper()
	var hashed []string // names with the hash of their content, and without
	for _, o := range all {
		if name := regexp.MustCompile(`^(.+)-([a-z0-9]{10})$`).FindStringSubmatch(o.GetName()); name != nil && (o.kind == "ConfigMap" || o.kind == "Secret") {
			hashed = append(hashed, `"`+name[0]+`"`, `"`+name[1]+`"`)
		}
	}
	found := map[string]any{}
	for _, o := range all {
		if o.kind == "Namespace" || o.kind == "Secret" {
			continue
		}
		var value map[string]any
		if err := json.Unmarshal([]byte(strings.NewReplacer(hashed...).Replace(text(t, o.value))), &value); err != nil {
			t.Fatal(err)
		}
		metadata := value["metadata"].(map[string]any)
		if o.kind == "Job" {
			metadata["name"] = regexp.MustCompile(`-[0-9a-f]{8}$`).ReplaceAllString(o.GetName(), "")
		}
		leaveTools(value)
		found[o.kind+" "+metadata["name"].(string)] = value
	}
	return found
}

// leaveTools takes out what tells of the tool, at every depth, and how long a Job stays: helm may
// wait for it.
func leaveTools(value any) {
	switch value := value.(type) {
	case []any:
		for _, one := range value {
			leaveTools(one)
		}
	case map[string]any:
		for _, key := range slices.Collect(maps.Keys(value)) {
			if slices.Contains([]string{"helm.sh/chart", "helm.sh/resource-policy", "app.kubernetes.io/managed-by", "ttlSecondsAfterFinished"}, key) || strings.HasPrefix(key, "checksum/") {
				delete(value, key)
				continue
			}
			leaveTools(value[key])
			if notes, ok := value[key].(map[string]any); key == "annotations" && ok && len(notes) == 0 {
				delete(value, key)
			}
		}
	}
}

// text returns a value as the API server is sent it.
func text(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
