package push

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

// missing asks for a request.
func (d *testDeploy) missing(t *testing.T, request string) string {
	t.Helper()
	file, err := requestfile.Open(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	why, err := Missing(t.Context(), d.client, file)
	if err != nil {
		t.Fatal(err)
	}
	return why
}

// Each is asked of a deployment that got the release.
func TestAReleaseIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *testDeploy)
		want      string
	}{
		"not at once":                        {func(*testing.T, *testDeploy) {}, ""},
		"not after a variable has changed":   {func(t *testing.T, d *testDeploy) { d.set(t, "SITE_URL", "https://b.example") }, ""},
		"not after a failed push of another": {func(t *testing.T, d *testDeploy) { d.beginOther(t, otherComponent()) }, ""},
		"not after a push of the same by a tool that leaves no record": {func(t *testing.T, d *testDeploy) {
			d.MintKey, d.Force = nil, true
			d.skipped(t)
		}, ""},
		"after another release": {func(t *testing.T, d *testDeploy) {
			d.pushOther(t, pushtest.NewRequest().With(func(r *pushtest.Request) { r.AppDefinition.ChangedModules[0].Source += "//" }))
		}, "the last push was of another release"},
		"after another release with other components alone": {func(t *testing.T, d *testDeploy) { d.pushOther(t, otherComponent()) }, "the last push was of another release"},
		"not after a push of the same by the CLI": {func(t *testing.T, d *testDeploy) {
			cli := *d
			cli.byCLI(t, clitest.Deploys).skipped(t)
		}, ""},
		"after a push of another by a tool that leaves no record": {func(t *testing.T, d *testDeploy) {
			d.MintKey = nil
			d.pushOther(t, releaseOf(1))
		}, "1 modules of the app are new or changed, 0 are removed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestDeploy(t).byRequest(t).withRecord()
			if why := d.missing(t, d.Request); why != "nothing was ever pushed" {
				t.Errorf("before: %q", why)
			}
			d.skipped(t)
			c.meanwhile(t, d)
			if why := d.missing(t, d.Request); why != c.want {
				t.Errorf("%q, want %q", why, c.want)
			}
		})
	}
}
