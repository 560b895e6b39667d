package kubernetes_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
)

// inline returns values that make the Secret of a part.
func inline(part string, variables ...string) (values []string) {
	for _, variable := range variables {
		values = append(values, "--set-string", "secrets."+part+".values."+variable)
	}
	return values
}

// What is wrong is said at once and by name, before anything is installed.
func TestChartRefusesValues(t *testing.T) {
	h := compileHelm(t)
	for name, c := range map[string]struct {
		values []string
		says   []string
	}{
		"none": {nil, []string{"host is missing", "images.tag is missing: the release of convex, platform, proxy,"}},
		"what components need": {
			[]string{"--set", "letsencrypt.enabled=true,externalDatabase.enabled=true,ingress.enabled=true,nodeLoss.enabled=true,python.enabled=true"},
			[]string{"host is missing", "crawler", "letsencrypt.email is missing", "externalDatabase.ca is missing", "TLS ends in one place", "read by rag and crawler"},
		},
		"a half":            {[]string{"--set", "autoscale.requests=16"}, []string{"autoscale.requests is set"}},
		"misspelt":          {[]string{"--set", "platfrom.replicas=3,platform.replcas=3,secrets.convex.nmae=x"}, []string{"'platfrom'", "'replcas'", "'nmae'"}},
		"not a host":        {[]string{"--set", "host=https://tale.example.com"}, []string{"/host"}},
		"not a tag":         {[]string{"--set-string", "images.tag=a b,images.convex.tag=:1"}, []string{"/images/tag", "/images/convex/tag"}},
		"a number as text":  {[]string{"--set", "settings.CONVEX_WAIT_TIMEOUT=60"}, []string{"/settings/CONVEX_WAIT_TIMEOUT", "want string"}},
		"a secret for all":  {[]string{"--set", "settings.INSTANCE_SECRET=sesame"}, []string{"settings.INSTANCE_SECRET is a secret"}},
		"a setting twice":   {[]string{"--set", "settings.HOST=other"}, []string{"settings.HOST is set by the value host"}},
		"different secrets": {append(inline("convex", "INSTANCE_SECRET=one"), inline("push", "INSTANCE_SECRET=two")...), []string{"INSTANCE_SECRET is not the same"}},
		"a secret less":     {inline("platform", "OTHER=one"), []string{"INSTANCE_SECRET is not the same"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, failure := h.run(t, append([]string{"template", "tale", chartFolder}, c.values...)...)
			for _, want := range c.says {
				if !strings.Contains(failure, want) {
					t.Errorf("it does not say %q:\n%s", want, failure)
				}
			}
			if strings.Contains(failure, "sesame") {
				t.Errorf("it prints a secret:\n%s", failure)
			}
		})
	}
}

// A ConfigMap, which many may read, takes no variable that is secret.
func TestChartKnowsSecrets(t *testing.T) {
	h := compileHelm(t)
	var values []string
	for _, v := range slices.Concat(config.Describe(platform.Settings{}), config.Describe(convex.Settings{}), config.Describe(proxy.Settings{})) {
		if v.Secret {
			values = append(values, v.Name)
		}
	}
	_, failure := h.run(t, append([]string{"template"}, site("--set", "settings."+strings.Join(values, "=x,settings.")+"=x")...)...)
	for _, name := range values {
		if !strings.Contains(failure, "settings."+name+" is a secret") {
			t.Errorf("%s may be in settings", name)
		}
	}
}

func TestChartLint(t *testing.T) {
	h := compileHelm(t)
	for _, values := range [][]string{nil, {"--set", "host=tale.example.com", "--set-string", "images.tag=1.0.0"}} {
		if printed, failure := h.run(t, append([]string{"lint", "--strict", chartFolder}, values...)...); failure != "" {
			t.Error(failure, printed)
		}
	}
}

// rolls returns the pods that a change of values replaces, and makes anew where the kind is Job.
func rolls(t *testing.T, before, after manifests) []string {
	t.Helper()
	of := func(all manifests) map[string]string {
		pods := map[string]string{}
		for _, o := range all.pods() {
			pods[o.pod.Spec.Containers[0].Name] = o.GetName() + text(t, o.pod)
		}
		return pods
	}
	then, now := of(before), of(after)
	return slices.Sorted(func(yield func(string) bool) {
		for part := range maps.Keys(now) {
			if then[part] != now[part] && !yield(part) {
				return
			}
		}
	})
}

// A change rolls the pods that it is about and no others, and a push is a Job of its own.
func TestChartRolls(t *testing.T) {
	h := compileHelm(t)
	before := append(inline("proxy", "METRICS_BEARER_TOKEN=x"), inline("push", "INSTANCE_SECRET=x")...)
	before = append(before, "--set", "externalDatabase.enabled=true,externalDatabase.ca=x")
	then := h.template(t, before...)
	all := []string{"convex", "platform", "proxy", "push"}
	for name, c := range map[string]struct {
		values []string
		want   []string
	}{
		"nothing":             {nil, nil},
		"replicas":            {[]string{"--set", "platform.replicas=5,autoscale.enabled=true"}, nil},
		"a release":           {[]string{"--set-string", "images.tag=1.1.0"}, all},
		"convex stays":        {[]string{"--set-string", "images.tag=1.1.0,images.convex.tag=1.0.0"}, []string{"platform", "proxy", "push"}},
		"a setting":           {[]string{"--set", "settings.TALE_LOG_LEVEL=debug"}, all},
		"another Secret":      {[]string{"--set", "secrets.platform.name=platform-2"}, []string{"platform"}},
		"a value of a Secret": {inline("proxy", "METRICS_BEARER_TOKEN=y"), []string{"proxy"}},
		"a value of the push": {inline("push", "BETTER_AUTH_SECRET=y"), []string{"push"}},
		"the authority":       {[]string{"--set", "externalDatabase.ca=y"}, []string{"convex"}},
		"resources":           {[]string{"--set", "push.resources.limits.memory=1Gi"}, []string{"push"}},
	} {
		t.Run(name, func(t *testing.T) {
			after := h.template(t, append(slices.Clone(before), c.values...)...)
			if got := rolls(t, then, after); !slices.Equal(got, c.want) {
				t.Errorf("%v are replaced, want %v", got, c.want)
			}
			old, again := then.jobs(), after.jobs()
			if slices.Contains(c.want, "push") == slices.Equal(old, again) {
				t.Errorf("the Job %s becomes %s, but cannot be changed", old, again)
			}
		})
	}
}

func (m manifests) jobs() (names []string) {
	for _, o := range m {
		if o.kind == "Job" {
			names = append(names, o.GetName())
		}
	}
	return names
}

// The name of a Job is one that a cluster takes, whatever the tag is.
func TestChartNamesThePush(t *testing.T) {
	h := compileHelm(t)
	for _, tag := range []string{"1.0.0", "Main_Branch", strings.Repeat("a.", 60), "1.0.0@sha256:" + strings.Repeat("0", 64)} {
		all := h.template(t, "--set-string", "images.tag="+tag)
		if name := all.jobs()[0]; len(name) > 63 || !regexp.MustCompile(`^push-[a-z0-9]([-.a-z0-9]*[a-z0-9])?-[0-9a-f]{8}$`).MatchString(name) {
			t.Errorf("%s for %s", name, tag)
		}
		for _, o := range all.pods() {
			if version := o.pod.Labels["app.kubernetes.io/version"]; !regexp.MustCompile(`^[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$`).MatchString(version) {
				t.Errorf("%s: version %q", o, version)
			}
		}
	}
}

// Values make the Secrets that the parts name, each with what it is given.
func TestChartMakesSecrets(t *testing.T) {
	h := compileHelm(t)
	values := slices.Concat(inline("convex", "INSTANCE_SECRET=one", "POSTGRES_URL=postgres://x"), inline("push", "INSTANCE_SECRET=one"), inline("platform", "INSTANCE_SECRET=one"), inline("proxy", "METRICS_BEARER_TOKEN=x"))
	all := h.template(t, append(values, "--set", "secrets.convex.name=mine")...)
	checkReferences(t, all)
	if secret := find[*corev1.Secret](t, all, "Secret", "mine"); string(secret.Data["POSTGRES_URL"]) != "postgres://x" || len(secret.Data) != 2 || len(secret.StringData) != 0 {
		t.Errorf("%v", secret)
	}
	for _, o := range h.template(t) {
		if o.kind == "Secret" {
			t.Errorf("%s, though the user has made it", o)
		}
	}
}

// What a site may change is where the API wants it.
func TestChartTakesValues(t *testing.T) {
	h := compileHelm(t)
	var values []string
	for _, part := range roles {
		values = append(values, "--set", strings.ReplaceAll("PART.nodeSelector.disk=ssd,PART.priorityClassName=high,PART.podAnnotations.mine=yes,PART.tolerations[0].key=mine,PART.tolerations[0].operator=Exists", "PART", part))
	}
	all := h.template(t, append(values, "--set", "python.enabled=true,siteUrl=https://tale.example.com:8443,images.pullSecrets={registry},images.pullPolicy=Always,images.proxy.repository=example.com/proxy,convex.storage.className=fast,proxy.service.type=NodePort,ingress.enabled=true,ingress.className=nginx,ingress.annotations.mine=yes,proxy.assets=1Gi")...)
	for _, o := range all.pods() {
		spec := o.pod.Spec
		if spec.NodeSelector["disk"] != "ssd" || spec.PriorityClassName != "high" || o.pod.Annotations["mine"] != "yes" || spec.Tolerations[0].Key != "mine" || spec.ImagePullSecrets[0].Name != "registry" || spec.Containers[0].ImagePullPolicy != corev1.PullAlways {
			t.Errorf("%s: %+v", o, spec)
		}
	}
	for what, want := range map[string]string{"StatefulSet convex": `"storageClassName":"fast"`, "Service proxy": `"type":"NodePort"`, "Deployment proxy": `"sizeLimit":"1Gi"`, "Ingress tale": `"ingressClassName":"nginx"`, "ConfigMap tale": `"SITE_URL":"https://tale.example.com:8443"`} {
		for _, o := range all {
			if o.String() == what && !strings.Contains(text(t, o.value), want) {
				t.Errorf("%s has no %s:\n%s", what, want, text(t, o.value))
			}
		}
	}
	if image := find[*appsv1.Deployment](t, all, "Deployment", "proxy").Spec.Template.Spec.Containers[0].Image; image != "example.com/proxy:1.0.0" {
		t.Errorf("the proxy is %s", image)
	}
	behind := h.template(t, "--set", "letsencrypt.enabled=true,letsencrypt.email=owner@example.com,proxy.service.type=ClusterIP")
	if spec := find[*corev1.Service](t, behind, "Service", "proxy").Spec; spec.Type != corev1.ServiceTypeClusterIP || spec.ExternalTrafficPolicy != "" {
		t.Errorf("a cluster refuses %+v", spec)
	}
	if all := h.template(t, "--set", "networkPolicies.enabled=false"); all.has("NetworkPolicy") {
		t.Error("there are policies")
	}
}

// Notes name the Job and the Secrets that the user has to make, and no secret.
func TestChartNotes(t *testing.T) {
	h := compileHelm(t)
	printed, failure := h.run(t, append([]string{"install", "--dry-run=client"}, site(inline("proxy", "METRICS_BEARER_TOKEN=sesame")...)...)...)
	_, notes, _ := strings.Cut(printed, "NOTES:")
	for _, want := range []string{"https://tale.example.com", "convex", "push", "platform", "logs -f job/" + h.template(t).jobs()[0]} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes without %s: %s%s", want, notes, failure)
		}
	}
	if strings.Contains(notes, "sesame") {
		t.Error(notes)
	}
}
