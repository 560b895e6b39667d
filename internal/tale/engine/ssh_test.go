package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/connhelper"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// However early ssh ends, its reason is told.
func TestWritingToAnSSHThatHasEnded(t *testing.T) {
	folder := t.TempDir()
	ended := filepath.Join(folder, "ended")
	script := "#!/bin/sh\nexec <&-\n: > " + ended + "\necho no route >&2\nexit 255\n"
	if err := os.WriteFile(filepath.Join(folder, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	helper, err := connhelper.GetConnectionHelper("ssh://shop@there.example")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := sshDialer(helper.Dialer)(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	testkit.Eventually(t, "ssh reads no more", func() bool {
		_, err := os.Stat(ended)
		return err == nil
	})
	if _, err := conn.Write([]byte("GET /info")); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Error(err)
	}
	if _, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Error("the client cannot end what a helper reads")
	}
}
