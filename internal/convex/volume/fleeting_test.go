package volume

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestDataThatIsLostWithItsContainer(t *testing.T) {
	for folder, want := range map[string]string{"/dev/shm": "the data folder is lost with its container: it is in memory", t.TempDir(): ""} {
		var log bytes.Buffer
		Settings{DataDir: folder}.WarnOfFleeting(slog.New(slog.NewTextHandler(&log, nil)))
		if said := log.String(); !strings.Contains(said, want) || (want == "") != (said == "") {
			t.Errorf("%s: %s", folder, said)
		}
	}
}
