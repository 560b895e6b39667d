package supervise_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// helperEnds runs each of its arguments as a script, one after the other, and says how
// it ended and whether memory was why.
func helperEnds() int {
	for _, script := range os.Args[1:] {
		p := shell(script)
		p.Line = func(supervise.Stream, []byte) {}
		status, err := supervise.Run(context.Background(), logging.Discard(), p)
		fmt.Printf("%s, %t, %v\n", status, status.OutOfMemory(), err)
	}
	return 0
}

// The kernel's kills are told from those of others, also after one another, and a
// shell that passes on how its command ended.
func TestWhoKilledAChild(t *testing.T) {
	const (
		hog     = "exec tail /dev/zero"
		behind  = "tail /dev/zero; exit $?"
		outside = "kill -KILL $$"
	)
	p := testkit.Start(t, command("ends", testkit.InMemory(t, 200<<20, self(t), hog, outside, behind, "exit 137", outside, "exit 1")...))
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	want := `killed by SIGKILL (out of memory: the container's memory limit of 200 MiB was reached, so the kernel killed it), true, <nil>
killed by SIGKILL (something outside killed it, not the kernel for want of memory), false, <nil>
exit code 137 (out of memory: the container's memory limit of 200 MiB was reached, so the kernel killed it), true, <nil>
exit code 137, false, <nil>
killed by SIGKILL (something outside killed it, not the kernel for want of memory), false, <nil>
exit code 1, false, <nil>
`
	if got := p.Output.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}
