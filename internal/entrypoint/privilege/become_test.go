package privilege_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const noCapabilities = "0000000000000000"

func TestRootIsGivenUpForGoodOnAllThreads(t *testing.T) {
	testkit.RequireRoot(t)
	noroot := testkit.BuildWithoutCgo(t, "./testdata/noroot")
	for name, prefix := range map[string][]string{
		"process": nil, "PID 1": testkit.PID1(t), "without SETPCAP": {"setpriv", "--bounding-set", "-setpcap"},
		"inheritable": {"setpriv", "--inh-caps", "+chown,+setuid"}, "securebits": {"setpriv", "--securebits", "+no_setuid_fixup"},
	} {
		t.Run(name, func(t *testing.T) {
			data := []string{filepath.Join(testkit.PublicDir(t), "new", "data")}
			p := run(t, append(slices.Clone(prefix), noroot, privileges(t, data, []string{os.TempDir()}))...)
			if code := p.Wait(); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			pid := p.Cmd.Process.Pid
			if name == "PID 1" {
				pid = 1
			}
			want := []string{
				fmt.Sprint("pid ", pid), "own descriptors true", "a child may read /proc/self/environ true",
				"a child may read /proc/$PPID/environ false", "a child may read /proc/$PPID/mem false", "threads true", "CapAmb: " + noCapabilities, "CapBnd: " + noCapabilities,
				"CapEff: " + noCapabilities, "CapInh: " + noCapabilities, "CapPrm: " + noCapabilities, "Gid: 1001 1001 1001 1001", "Groups: 1001", "NoNewPrivs: 1", "Uid: 1001 1001 1001 1001",
			}
			got := strings.Split(strings.TrimSpace(p.Output.String()), "\n")
			got = got[slices.Index(got, want[0]):]
			if name == "without SETPCAP" { // without it nobody can empty the set
				boundingSet := func(line string) bool { return strings.HasPrefix(line, "CapBnd:") }
				want = slices.DeleteFunc(want, boundingSet)
				got = slices.DeleteFunc(got, boundingSet)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A stop that is asked for while root is given up must not be lost, whatever
// the moment.
func TestStopWhileRootIsGivenUp(t *testing.T) {
	testkit.RequireRoot(t)
	stopping := testkit.BuildWithoutCgo(t, "./testdata/stoppable")
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			p := run(t, append(testkit.PID1(t), stopping, privileges(t, nil, []string{os.TempDir()}))...)
			p.Expect("listening")
			time.Sleep(time.Duration(i) * 200 * time.Microsecond) // the moment is the test's subject
			p.Signal(syscall.SIGTERM)
			if code := p.Wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestUnmappedUserIsExplained(t *testing.T) {
	p := apply(t, []string{"unshare", "--user", "--map-root-user"}, nil, nil)
	if code := p.Wait(); code != exit.NoPermission || !strings.Contains(p.Output.String(), "supplementary groups") && !strings.Contains(p.Output.String(), "user namespace") {
		t.Errorf("exit code %d", code)
	}
}

func TestOutputCanBeOpenedByTheNewUser(t *testing.T) {
	testkit.RequireRoot(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	c := command(os.Args[0], privileges(t, nil, nil))
	c.Stdout = write
	testkit.Start(t, c).Wait()
	info, err := write.Stat()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != appUID {
		t.Errorf("the output belongs to uid %d", st.Uid)
	}
}
