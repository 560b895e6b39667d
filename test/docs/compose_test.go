package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readByProxy are the rows of environment.md that name the proxy as a reader.
var readByProxy = regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)`.*\\| [a-z, ]*proxy[a-z, ]* \\|$")

// The proxy gets no env_file, so a setting that the compose file does not name
// would be lost without a word.
func TestComposeHandsTheProxyItsSettings(t *testing.T) {
	page, compose := read(t, "docs/environment.md"), read(t, "docker-compose.yml")
	common, _, _ := strings.Cut(compose, "\nservices:")
	_, proxy, _ := strings.Cut(compose, "\n  proxy:\n")
	proxy, _, _ = strings.Cut(proxy, "\n    ports:")
	// What is a matter of the container is fixed in the image.
	fixed := []string{"HTTP_PORT", "HTTPS_PORT", "PROXY_HEALTH_ADDR", "PROXY_DATA_DIR", "PROXY_CA_EXPORT_DIR"}
	rows := readByProxy.FindAllStringSubmatch(page, -1)
	if len(rows) < 30 {
		t.Fatalf("%d settings of the proxy", len(rows))
	}
	for _, row := range rows {
		named := strings.Contains(proxy+common, "\n      "+row[1]+":") || strings.Contains(common, "\n  "+row[1]+":")
		if !named && !slices.Contains(fixed, row[1]) {
			t.Errorf("docker-compose.yml does not hand %s to the proxy", row[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
