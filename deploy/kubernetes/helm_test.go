package kubernetes_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	yamldocuments "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// chartFolder is where the chart stands beside the kustomize base.
const chartFolder = "../helm/tale"

// helm is the path of the program.
type helm string

// compileHelm returns helm of tools/helm: a tool, so that nothing of it is in the product's
// go.mod. Go keeps the program in its build cache.
func compileHelm(t *testing.T) helm {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../../tools/helm/go.mod", "-n", "helm")
	path, err := command.Output()
	if err != nil {
		t.Fatalf("cannot compile helm: %v", err)
	}
	return helm(strings.TrimSpace(string(path)))
}

// run returns what helm prints for a command about the chart, or what it says of its failure.
// It knows no cluster and no settings of the user's.
func (h helm) run(t *testing.T, arguments ...string) (printed, failure string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), string(h), arguments...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+home+"/none")
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		failure = err.Error() + ": " + said.String()
	}
	return string(output), failure
}

// site returns the release, the chart and the values that every install has to give, as
// deploy/kubernetes/site has them, with more.
func site(more ...string) []string {
	return append([]string{"tale", chartFolder, "--namespace", "tale", "--set", "host=tale.example.com", "--set-string", "images.tag=1.0.0"}, more...)
}

// template returns the objects that the chart makes of the site's values and more.
func (h helm) template(t *testing.T, more ...string) manifests {
	t.Helper()
	printed, failure := h.run(t, append([]string{"template"}, site(more...)...)...)
	if failure != "" {
		t.Fatal(failure)
	}
	var all manifests
	documents := yamldocuments.NewYAMLReader(bufio.NewReader(strings.NewReader(printed)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decodeYAML(t, document))
	}
}

func decodeYAML(t *testing.T, document []byte) object {
	t.Helper()
	var kind struct{ APIVersion, Kind string }
	data, err := yaml.YAMLToJSONStrict(document)
	if err == nil {
		err = yaml.Unmarshal(data, &kind)
	}
	if err != nil {
		t.Fatalf("%v:\n%s", err, document)
	}
	return decode(t, schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind), data)
}
