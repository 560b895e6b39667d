package compose_test

import (
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// TestRefusedOverrides: each gets one message that names the key, and the exit code of
// the configuration.
func TestRefusedOverrides(t *testing.T) {
	for override, want := range map[string]string{
		"services: {search: {image: x}}": "has the service search, which is not part of the stack; accepted: one of convex, crawler, db",
		"services: {search: {image: x, networks: [internal, front]}}\nnetworks: {front: {}}":             "has the service search",
		"services: {search: {image: x, configs: [s]}}\nconfigs: {s: {external: true}}":                   "has the service search",
		"services: {search: {image: x, secrets: [s]}}\nsecrets: {s: {environment: S}}":                   "has the service search",
		"services: {search: {image: x}, platform: {depends_on: {search: {condition: service_healthy}}}}": "has the service search",
		"services: {platform: {networks: !override [default]}}":                                          "services.platform.networks; accepted: the network internal",
		"services: {platform: {networks: [other]}}":                                                      "undefined network other",
		"services: {platform: {network_mode: host, networks: !reset null}}":                              "services.platform.network_mode",
		"networks: !reset null":                                                                    "undefined network internal",
		"volumes: !reset null":                                                                     "undefined volume ",
		"services: {platform: {container_name: shop}}":                                             "services.platform.container_name",
		"services: {db: {container_name: shop}}":                                                   "services.db.container_name",
		"services: {platform: {ports: ['3000:3000']}}":                                             "services.platform.ports; accepted: nothing there: two colours",
		"services: {rag: {ports: ['127.0.0.1:8001:8001']}}":                                        "services.rag.ports",
		"services: {crawler: {deploy: {replicas: 2}}}":                                             "services.crawler.scale",
		"services: {platform: {scale: 2}}":                                                         "services.platform.scale",
		"services: {convex: {build: .}}":                                                           "services.convex.build; accepted: image",
		"services: {convex: {network_mode: host, networks: !reset null}}":                          "services.convex.network_mode",
		"services: {platform: {networks: !override [other]}}\nnetworks: {other: {external: true}}": "services.platform.networks; accepted: the network internal",
		"services: {platform: {networks: {internal: {ipv4_address: 10.0.0.9}}}}":                   "services.platform.networks.internal",
		"services: {platform: {mac_address: '02:42:ac:11:00:09'}}":                                 "services.platform.networks.internal",
		"services: {proxy: {networks: [internal, other]}}\nnetworks: {other: {}}":                  "has the network other",
		"networks: {internal: !override {enable_ipv6: true}}":                                      "has the network internal",
		"services: {rag: {links: [db]}}":                                                           "services.rag.links",
		"services: {db: {volumes: [{type: bind, source: \"/a:b\", target: /c}]}}":                  "at which docker compose takes /a:b to end",
		"services: {rag: {volumes_from: [convex]}}":                                                "services.rag.volumes_from",
		"services: {rag: {secrets: [s]}}\nsecrets: {s: {environment: S}}":                          "secrets.s.environment",
		"services: {rag: {secrets: [s]}}\nsecrets: {s: {external: true}}":                          "secrets.s.external, which a swarm alone has",
		"services: {rag: {configs: [s]}}\nconfigs: {s: {external: true}}":                          "configs.s.external, which a swarm alone has",
		"services: {rag: {secrets: [s]}}":                                                          "refers to undefined secret s",
		"services: {rag: {volumes: ['nowhere:/x']}}":                                               "refers to undefined volume nowhere",
		"services: {platform: {depends_on: {rag: {condition: service_healthy}}}, rag: {depends_on: {platform: {condition: service_healthy}}}}": "cycle",
		"services: {platform: {environments: {A: b}}}":    "services.platform.environments is no key of a compose file",
		"services: [platform]":                            "cannot be used",
		"services: {platform: {image: '${TAG:?set it}'}}": "required variable TAG is missing a value: set it",
		"services: {platform: {image: '${TAG'}}":          "cannot be used",
		"a: b: c":                                         "cannot be used",
		"services: {platform: {env_file: [missing.env]}}": "missing.env",
		"jobs: {j: {image: x, triggers: {manual: true}}}": "has jobs",
		"services: {db: {profiles: [disabled]}}":          "disables db, which convex needs; accepted: POSTGRES_URL",
		"services: {convex: {profiles: [disabled]}}":      "disables convex, which platform needs; accepted: there environment.CONVEX_URL of services.platform",
		"services: {convex: {profiles: [disabled]}, platform: {environment: {CONVEX_URL: 'http://convex:80'}}}":        "disables convex, which platform needs",
		"services: {db: {profiles: [disabled]}, convex: {environment: {POSTGRES_URL: 'postgresql://u:p@pg.example'}}}": "disables db, which rag needs",
		"services: {db: {profiles: [disabled]}, convex: {environment: {POSTGRES_URL: 'postgresql://u:p@db:5432'}}}":    "disables db, which convex needs",
		"services: {db: {profiles: [disabled]}, convex: {environment: {DB_HOST: db}}}":                                 "disables db, which convex needs",
	} {
		t.Run(override, func(t *testing.T) {
			_, err := compose.Production(options(t, nil, override))
			if err == nil || exit.Code(err) != exit.Config || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "compose.override.yml") {
				t.Errorf("want %q: %v", want, err)
			}
			if problems, _ := errors.AsType[config.Problems](err); len(problems) != 1 {
				t.Errorf("%d problems of one cause: %v", len(problems), err)
			}
		})
	}
}

// TestNeedsThatAreElsewhere: what an override disables is not missing where the services
// that need it are led to another one.
func TestNeedsThatAreElsewhere(t *testing.T) {
	own := []string{stack.DB, stack.Convex, stack.Platform, stack.Proxy}
	for name, tt := range map[string]struct {
		env      map[string]string
		override string
		services []string // all, if there are none
		gone     string
	}{
		"the URL":        {nil, "db: {profiles: [disabled]}, convex: {environment: {POSTGRES_URL: 'postgresql://u:p@pg.example'}}", own, stack.DB},
		"in a file":      {nil, "db: {profiles: [disabled]}, convex: {environment: {POSTGRES_URL_FILE: /run/secrets/url}}", own, stack.DB},
		"embedded":       {nil, "db: {profiles: [disabled]}, convex: {environment: {CONVEX_STORAGE: sqlite}}", own, stack.DB},
		"the host":       {nil, "db: {profiles: [disabled]}, convex: {environment: {DB_HOST: pg}}, rag: {environment: {DB_HOST: pg}}, crawler: {environment: [DB_HOST=pg]}", nil, stack.DB},
		"host of .env":   {map[string]string{"DB_HOST": "pg"}, "db: {profiles: [disabled]}", nil, stack.DB},
		"each its own":   {map[string]string{"RAG_DATABASE_URL": "postgresql://pg", "CRAWLER_DATABASE_URL": "postgresql://pg"}, "db: {profiles: [disabled]}, convex: {environment: {DB_HOST: pg}}", nil, stack.DB},
		"the backend":    {nil, "convex: {profiles: [disabled]}, platform: {environment: {CONVEX_URL: 'http://backend.example:3210'}}", nil, stack.Convex},
		"of another app": {nil, "convex: {profiles: [disabled]}, platform: {environment: {CONVEX_URL: 'http://backend:3210'}}", own, stack.Convex},
	} {
		t.Run(name, func(t *testing.T) {
			model := production(t, options(t, tt.env, "services: {"+tt.override+"}", tt.services...))
			if _, there := model.Service(tt.gone, ""); there {
				t.Error(tt.gone, "is there")
			}
		})
	}
}

// TestPiecesOfValuesAreNotShown: compose takes some values apart before it says what is
// wrong with a piece, which no longer is a value that is known as a secret.
func TestPiecesOfValuesAreNotShown(t *testing.T) {
	const value = "first:second/third-fourth:fifth,sixth:seventh"
	for _, override := range []string{
		"services: {proxy: {ports: ['${OWN}']}}", "services: {proxy: {ports: ['80:${OWN}']}}", "services: {convex: {volumes: ['${OWN}:/x']}}",
		"services: {convex: {volumes: ['x:/x:${OWN}']}}", "include: ['${OWN}/compose.yml']", "services: {rag: {image: x, env_file: ['${OWN}']}}",
		"services: {rag: {extends: {file: '${OWN}', service: x}}}", "services: {rag: {mem_limit: '${OWN}'}}", "services: {rag: {init: '${OWN}'}}",
		"services: {rag: {stop_grace_period: '${OWN}'}}", "services: {rag: {ulimits: {nofile: '${OWN}'}}}",
		"services: {rag: {depends_on: ['${OWN}']}}", "services: {rag: {tmpfs: '${OWN}', shm_size: '${OWN}'}}", "services: {rag: {devices: ['${OWN}']}}",
	} {
		for _, name := range []string{"OWN", "INSTANCE_SECRET"} {
			_, err := compose.Production(options(t, map[string]string{name: value}, strings.ReplaceAll(override, "OWN", name)))
			for _, piece := range []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh"} {
				if err != nil && strings.Contains(err.Error(), piece) {
					t.Errorf("%s with %s: %q is shown: %v", override, name, piece, err)
				}
			}
		}
	}
}

// TestAnOverrideThatLeavesNoEnvironment to a service, which still gets what tale decides.
func TestAnOverrideThatLeavesNoEnvironment(t *testing.T) {
	o := options(t, nil, "services: {platform: {environment: !reset null}, convex: {environment: !reset null}}")
	o.Fresh = true
	model, err := compose.Production(o)
	if err != nil {
		t.Fatal(err)
	}
	if platform, there := model.Service(stack.Platform, stack.Green); !there || len(platform.Environment) != 1 || platform.Environment[stack.Colour] != stack.Green {
		t.Errorf("%+v", platform)
	}
	if convex := service(t, model, stack.Convex, "").Overridden; len(convex) != 1 || !regexp.MustCompile(`^environment: \d+ variables -> $`).MatchString(convex[0].Key+": "+convex[0].Base+" -> "+convex[0].Override) {
		t.Errorf("%+v", convex)
	}
}

// TestOverridesThatSayNothing: a file of comments is none, and what compose reads and
// writes again is the same to the letter.
func TestOverridesThatSayNothing(t *testing.T) {
	for i, override := range []string{"services: {db: {}, platform: {environment: {}}}", "\n", "# nothing yet\n", "services: {}\n", "---\n# services:\n#   db:\n", "x-own: 1\n", "secrets: {s: {external: true}}\nconfigs: {c: {external: true}}"} {
		for _, foreign := range []bool{true, false}[min(i, 1):] {
			o := options(t, map[string]string{"ODD": "\n $x"}, "")
			o.Foreign = map[string]bool{}
			for _, service := range stack.Services() {
				o.Foreign[service.Name] = foreign
			}
			want := allFiles(t, o)
			write(t, filepath.Join(o.Project.Dir, "compose.override.yml"), override)
			if diff := cmp.Diff(want, allFiles(t, o)); diff != "" {
				t.Errorf("%q changes something:\n%s", override, diff)
			}
		}
	}
}

func allFiles(t *testing.T, o compose.Options) string {
	t.Helper()
	development, err := compose.Development(o)
	if err != nil {
		t.Fatal(err)
	}
	all := files(t, production(t, o), o.Project.Dir, id, id+"-blue", id+"-green")
	return string(append(all, files(t, development, o.Project.Dir, id+"-dev")...))
}

func TestWarnings(t *testing.T) {
	o := options(t, nil, "services: {rag: {image: 'x:${TAG}', labels: {a: '${TAG} ${HOST:-there}'}}, platform: {healthcheck: {test: [CMD, curl, 'http://localhost:3000/']}}}")
	write(t, filepath.Join(o.Project.Dir, "compose.override.yaml"), "services: {nonsense: {}}")
	got := strings.Join(production(t, o).Warnings, "\n")
	if want := "compose.override.yaml is not read, because there is compose.override.yml\ncompose.override.yml: ${TAG} is not set in .env; nothing is put there\ncompose.override.yml: the health check of platform asks localhost, which may be ::1, where it may not listen: write 127.0.0.1"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestTheSecondName: the longer name is read where it is the only one.
func TestTheSecondName(t *testing.T) {
	o := options(t, nil, "")
	write(t, filepath.Join(o.Project.Dir, "compose.override.yaml"), "services: {rag: {image: x}}")
	if model := production(t, o); len(model.Warnings) > 0 || service(t, model, stack.RAG, stack.Blue).Image != "x" {
		t.Error("not read")
	}
}

// TestOverridden: every change is listed by its key, values of the environment are not,
// and neither is a secret that found its way elsewhere.
func TestOverridden(t *testing.T) {
	const override = `
services:
  platform:
    image: x:${TAG}
    environment: {DEBUG_MODE: "true", OWN: "${BETTER_AUTH_SECRET}"}
    command: [run, "--key=${BETTER_AUTH_SECRET}"]
    deploy: {resources: {limits: {memory: 1g}}}
    tmpfs: !reset []
`
	model := production(t, options(t, map[string]string{"TAG": "7"}, override))
	var got []string
	for _, change := range service(t, model, stack.Platform, stack.Green).Overridden {
		got = append(got, change.Key+": "+change.Base+" -> "+change.Override)
	}
	want := []string{
		`command:  -> ["run","--key=[BETTER_AUTH_SECRET]"]`,
		`deploy.resources.limits.memory:  -> 1073741824`,
		`environment.DEBUG_MODE:  -> `,
		`environment.OWN:  -> `,
		`image: registry.example/tale/tale-platform:1.2.3 -> x:7`,
		`tmpfs: ["/tmp:mode=1777"] -> `,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
	if changes := service(t, model, stack.RAG, stack.Green).Overridden; len(changes) > 0 {
		t.Errorf("%+v", changes)
	}
}

// TestBothColoursAreOverridden: one name in the file means both containers, and what one
// of them needs of its own colour is of that colour.
func TestBothColoursAreOverridden(t *testing.T) {
	o := options(t, nil, "services: {platform: {labels: {own: label, dev.tale.service: mine}, depends_on: {rag: {condition: service_healthy}}, networks: {internal: {aliases: [app]}}}}")
	model := production(t, o)
	for _, colour := range []string{stack.Blue, stack.Green} {
		file := string(files(t, model, o.Project.Dir, id+"-"+colour))
		for _, want := range []string{"own: label", "dev.tale.service: platform", "      rag-" + colour + ":\n        condition: service_healthy", "- app\n", "- platform\n", "- platform-" + colour + "\n"} {
			if !strings.Contains(file, want) {
				t.Errorf("%s: no %q in\n%s", colour, want, file)
			}
		}
	}
}

// TestNetworksOfTheOverride are joined in whatever form they are written.
func TestNetworksOfTheOverride(t *testing.T) {
	for _, networks := range []string{"[internal, other]", "[other]", "{internal: {}, other: {}}", "{internal: null, other: null}", "{other: {aliases: [x]}}", "!override [other, internal]"} {
		o := options(t, nil, "services: {convex: {networks: "+networks+"}, rag: {networks: "+networks+"}}\nnetworks: {other: {external: true}}")
		for name, service := range written(t, production(t, o)) {
			_, inside := service.Networks[stack.Network]
			_, other := service.Networks["other"]
			if want := name == stack.Convex || strings.HasPrefix(name, stack.RAG); !inside || other != want {
				t.Errorf("%s: %s is in %v", networks, name, slices.Collect(maps.Keys(service.Networks)))
			}
		}
		if said := service(t, production(t, o), stack.Convex, "").Overridden; len(said) == 0 || !strings.HasPrefix(said[0].Key, "networks.other") {
			t.Errorf("%s: the plan says %+v", networks, said)
		}
	}
}

func TestFilesOfTheOverrideAreOfTheProject(t *testing.T) {
	o := options(t, nil, "services: {rag: {env_file: [more.env], extra_hosts: ['six=fd00::1', 'four:1.2.3.4'], volumes: ['./models:/models'], configs: [c]}}\nconfigs: {c: {content: 'a${HOST}b$$c'}}")
	o.Host = "shop.example"
	write(t, filepath.Join(o.Project.Dir, "more.env"), "MORE='$1'")
	model := production(t, o)
	if got := service(t, model, stack.RAG, stack.Blue).Environment["MORE"]; got != "$1" {
		t.Errorf("MORE=%s", got)
	}
	hosts := written(t, model)[stack.RAG].ExtraHosts.AsList("=")
	slices.Sort(hosts)
	if want := []string{"four=1.2.3.4", "host.docker.internal=host-gateway", "six=fd00::1"}; !slices.Equal(hosts, want) {
		t.Errorf("%q", hosts)
	}
	file := string(files(t, model, o.Project.Dir, id+"-blue"))
	for _, want := range []string{"- six:fd00::1\n", "create_host_path: true\n", "MORE: $$1\n", "source: /srv/shop/models\n", "content: ashop.exampleb$$c\n"} {
		if !strings.Contains(file, want) {
			t.Errorf("no %q in\n%s", want, file)
		}
	}
}
