package project

import (
	"os"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// A secret that has got lost is not to be replaced, and a file of another encoding is one
// problem, not one for each line.
func TestWhatIsSaidOfAnUnusableEnv(t *testing.T) {
	for name, tt := range map[string]struct{ content, says string }{
		"a lost secret": {"SITE_URL=https://shop.test\n", "INSTANCE_SECRET is not set; accepted: of a project that has been deployed, the value that it had"},
		"UTF-16":        {"\xff\xfeA\x00=\x001\x00\n\x00B\x00=\x002\x00\n\x00", ".env is UTF-16; accepted: UTF-8"},
	} {
		p := &Project{Dir: t.TempDir()}
		if err := os.WriteFile(p.envPath(), []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := p.Settings(config.Environ{})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
