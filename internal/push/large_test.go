package push

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// pusher is the test binary as a process that only pushes natively.
const pusher = "pusher"

// pushNatively returns the process that the test measures. It prints the most memory
// that its heap ever had: what is resident is blurred by the race detector.
func pushNatively() int {
	client, err := backend.NewClient(os.Getenv("PUSH_URL"), "tale_platform|00")
	if err != nil {
		return 2
	}
	_, err = Deploy(context.Background(), logging.Discard(), client, Options{Driver: driverNative, Request: os.Args[1], Timeout: time.Minute, Longest: time.Minute, Attempts: 1})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Println(memory.HeapSys)
	return 0
}

// A large request must not be held several times over: what is held is the answer to
// start_push, what the collector has not freed, and the compressed form of a request
// that was not compressed at image build.
func TestALargeRequestIsPushedInLittleMemory(t *testing.T) {
	request := filepath.Join(t.TempDir(), "push-request.json")
	if err := pushtest.WriteLargeRequest(request, pushtest.Size{Modules: 1141, Bytes: largeBytes}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := requestfile.WriteIndex(request); err != nil {
		t.Fatal(err)
	}
	var received atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		received.Add(n)
		switch r.URL.Path {
		case backend.StageGetConfigHashes.Path():
			_, _ = io.WriteString(w, `{"moduleHashes":[]}`)
		case backend.StageStartPush.Path():
			// The answer grows with the app, too.
			_, _ = fmt.Fprintf(w, `{"environmentVariables":{},"analysis":%q,"schemaChange":{"schemaIds":{}}}`, strings.Repeat("x", int(info.Size())/8))
		default:
			_, _ = io.WriteString(w, `{"type":"complete"}`)
		}
	}))
	defer backend.Close()
	if heap := heapOfAPush(t, backend.URL, request); heap > 28<<20 {
		t.Errorf("%d MiB of heap for a request of %d MiB", heap>>20, info.Size()>>20)
	}
	if received.Load() < info.Size()/10 {
		t.Errorf("only %d bytes arrived", received.Load())
	}
	if err := os.Remove(requestfile.PiecesPath(request)); err != nil {
		t.Fatal(err)
	}
	if heap := heapOfAPush(t, backend.URL, request); heap > 48<<20+info.Size() {
		t.Errorf("%d MiB of heap for a request of %d MiB that is compressed at boot", heap>>20, info.Size()>>20)
	}
}

func heapOfAPush(t *testing.T, url, request string) int64 {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, request)
	command.Env = []string{testkit.RoleVariable + "=" + pusher, "PUSH_URL=" + url, "GORACE=atexit_sleep_ms=0"}
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	heap, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return heap
}
