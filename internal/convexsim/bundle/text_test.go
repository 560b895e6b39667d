package bundle

import (
	"slices"
	"testing"
)

func TestExportedNames(t *testing.T) {
	for source, want := range map[string][]string{
		"export {\n  l as list,\n  add\n};\n":                 {"list", "add"},
		"var a=1;export{a as default};\n//# sourceMappingURL": {"default"},
		"var exported = 1;":                                   nil,
		"export default 1;":                                   nil,
	} {
		if got := ExportedNames(source); !slices.Equal(got, want) {
			t.Errorf("%q exports %q, want %q", source, got, want)
		}
	}
}

func TestEnvironmentReads(t *testing.T) {
	source := `
// process.env.COMMENTED
var a = process.env.SITE_URL ?? "x", b = process.env["OTHER"], c = process.env.SITE_URL, d = process.env[dynamic];`
	if got := EnvironmentReads(source); !slices.Equal(got, []string{"SITE_URL", "OTHER"}) {
		t.Errorf("got %q", got)
	}
}

func TestWithoutComments(t *testing.T) {
	const want = `export default f({ a: "// b /* c */", d: 'e \' //' }); g`
	for _, source := range []string{
		want, "// x\nexport  default f({\n a: \"// b /* c */\", /* y */ d: 'e \\' //' });\ng\n// z", "/**/" + want + " //",
	} {
		if got := WithoutComments(source); got != want {
			t.Errorf("%s\nfrom %s", got, source)
		}
	}
	for _, cut := range []string{`"`, `"a`, "/", "/*", "//", "`x", ""} {
		_ = WithoutComments(cut)
	}
}
