package compose_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// load reads a compose file as the plugin does.
func load(t *testing.T, path string, environment types.Mapping) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: filepath.Dir(path), ConfigFiles: []types.ConfigFile{{Filename: path}}, Environment: environment,
	}, loader.WithDiscardEnvFiles, func(o *loader.Options) { o.Profiles = []string{"*"}; o.SetProjectName("any", true) })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// written returns the files of a model as the plugin reads them, merged into one.
func written(t *testing.T, model *compose.Model) types.Services {
	t.Helper()
	services := types.Services{}
	for _, colour := range []string{"", stack.Blue} {
		for _, service := range model.Services(colour) {
			path, err := model.Write(service.Project, nil)
			if err != nil {
				t.Fatal(err)
			}
			services[service.Name] = load(t, path, nil).Services[stack.Coloured(service.Name, colour)]
		}
	}
	return services
}

// comparable returns what a service is made of, without what is tale's to say: names,
// the image, labels, and what one file for all can leave to compose.
func comparable(t *testing.T, s types.ServiceConfig) map[string]any {
	t.Helper()
	if s.StopGracePeriod == nil {
		second := types.Duration(10 * time.Second)
		s.StopGracePeriod = &second
	}
	s.Image, s.Build, s.Labels, s.ContainerName, s.PullPolicy, s.DependsOn, s.Profiles = "", nil, nil, "", "", nil, nil
	if network := s.Networks[stack.Network]; network == nil || !strings.Contains(strings.Join(network.Aliases, ""), ".") {
		s.Networks = nil // the names of the service
	}
	s.Environment = s.Environment.RemoveEmpty()
	delete(s.Environment, stack.Colour) // in compose.bluegreen.yml
	for i := range s.Volumes {
		s.Volumes[i].Volume = nil // where there are no options
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// TestTheRepositorysFileIsTheSame: what a service is made of is the same whether tale
// starts it or docker compose with the file at the root.
func TestTheRepositorysFileIsTheSame(t *testing.T) {
	all := map[string]string{}
	for i, name := range stack.Variables() {
		all[name] = "value " + string(rune('a'+i%26))
	}
	all[stack.PublishHTTP], all[stack.PublishHTTPS], all["HOST"], all["POSTGRES_URL"] = "127.0.0.1:8080", "8443", "shop.example", ""
	for name, env := range map[string]map[string]string{"nothing set": {}, "everything set": all} {
		t.Run(name, func(t *testing.T) {
			o := options(t, env, "")
			delete(o.Settings, stack.Version) // that of the images counts
			environment := types.Mapping{}
			for name, value := range o.Settings {
				environment[name] = value.Text
			}
			environment[stack.Version] = "1.2.3"
			dir := t.TempDir()
			copyFile(t, "../../../docker-compose.yml", filepath.Join(dir, "docker-compose.yml"))
			var lines []string
			for name, value := range environment {
				lines = append(lines, name+"='"+value+"'")
			}
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			theirs := load(t, filepath.Join(dir, "docker-compose.yml"), environment).Services
			ours := written(t, production(t, o))
			for _, service := range stack.Services() {
				if diff := cmp.Diff(comparable(t, theirs[service.Name]), comparable(t, ours[service.Name])); diff != "" {
					t.Errorf("%s: docker-compose.yml (-) and tale (+) differ:\n%s", service.Name, diff)
				}
				if needs := theirs[service.Name].GetDependencies(); len(needs) != len(service.Needs) {
					t.Errorf("%s needs %s", service.Name, slices.Sorted(slices.Values(needs)))
				}
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
