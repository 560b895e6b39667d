package compose_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// TestPortsOfTheHost: the setting is refused where it stands for nothing that compose would
// publish at a port that is known, and what only compose can tell is refused here.
func TestPortsOfTheHost(t *testing.T) {
	onlyHere := []string{"8450-8443", "-8443-8450", "[::1:"}
	var texts []string
	for _, host := range []string{":", "127.0.0.1:", "::1:", "[::1]:", "[::1:", "[]:", "localhost:", "127.0.0.1::", " :"} {
		texts = append(texts, host, host+"8443-8450", host+"8450-8443")
	}
	for _, at := range append(texts, "0", "::1:8443", "65535", "65536", "8443-8450", "8450-8443", "8443-8443", "8443-8443-8450", "8443-", "-8443", "-", "+8443", "80a", "8443/tcp", " 8443", "0x50") {
		refused := len(stack.Start{PublishHTTP: "1", PublishHTTPS: at}.Validate()) > 0
		_, err := compose.Production(options(t, map[string]string{"PUBLISH_HTTPS": at}, "", stack.Proxy))
		left := slices.ContainsFunc(onlyHere, func(part string) bool { return strings.Contains(at, part) })
		whichever := strings.HasSuffix(at, ":") || at == "0" // of those that are free, compose would publish it at
		if whichever && !refused || refused && err == nil && !whichever || !refused && (err != nil) != left {
			t.Errorf("%q: the setting is refused: %t; the stack: %v", at, refused, err)
		}
	}
}
