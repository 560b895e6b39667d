package entrypoint_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A secret that only root may read is read before root is given up, and nobody
// but the service gets to see it.
func TestSecretOfRootIsHandedOver(t *testing.T) {
	testkit.RequireRoot(t)
	path := writeFile(t, 0o400, "canary-token\n")
	for name, prefix := range map[string][]string{"process": nil, "PID 1": testkit.PID1(t)} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, "TALE_RUN_AS=1001:1001", "TOKEN_FILE="+path).start(prefix, "work")
			c.Until("the stage is over", func() bool { return c.Says("stage look done") })
			if !c.Says("token=canary-token uid=1001") {
				t.Error("the secret did not arrive")
			}
			for line := range strings.Lines(c.Output.String()) {
				if strings.Contains(line, "child | ") && strings.Contains(line, "canary") {
					t.Errorf("the child has it too: %s", line)
				}
			}
			if !c.Says("child | TOKEN_FILE=" + path) {
				t.Error("the child's environment is not ours")
			}
			requireHidden(t, c)
		})
	}
}

func TestChildrenCannotReadOurEnvironment(t *testing.T) {
	testkit.RequireRoot(t)
	c := newContainer(t, "TALE_RUN_AS=1001:1001")
	if err := os.Chown(c.runDir, 1001, 1001); err != nil {
		t.Fatal(err)
	}
	c.start([]string{"setpriv", "--reuid", "1001", "--regid", "1001", "--clear-groups"}, "work")
	c.Until("the stage is over", func() bool { return c.Says("stage look done") })
	requireHidden(t, c)
}

func requireHidden(t *testing.T, c *container) {
	t.Helper()
	if !c.Says("/environ: Permission denied") {
		t.Error("the child was not kept from reading our environment")
	}
}

func TestUnreadableSecretIsExplained(t *testing.T) {
	testkit.RequireRoot(t)
	path := writeFile(t, 0o400, "canary-token\n")
	c := newContainer(t, "TOKEN_FILE="+path).start([]string{"setpriv", "--reuid", "1001", "--regid", "1001", "--clear-groups"})
	if code := c.Wait(); code != exit.Config || !c.Says("it belongs to uid 0 gid 0 with mode 0400, and this process runs as uid 1001 gid 1001: give the file to that user (chown 1001 "+path+")") {
		t.Errorf("exit code %d", code)
	}
}

// A bad configuration is reported by the user that will correct the report.
func TestReportBelongsToTheServicesUser(t *testing.T) {
	testkit.RequireRoot(t)
	c := newContainer(t, "TALE_RUN_AS=1001:1001", "TALE_LOG_LEVEL=loud", "TOKEN_FILE=/nowhere").start(nil)
	if code := c.Wait(); code != exit.Config || !c.Says("TALE_LOG_LEVEL") || !c.Says("TOKEN_FILE cannot be read: open /nowhere") {
		t.Errorf("exit code %d", code)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(c.runDir+"/fake-report.json", &st); err != nil || st.Uid != 1001 {
		t.Errorf("the report is uid %d's, %v", st.Uid, err)
	}
}

// In a sticky folder the service's user cannot replace what root has left there.
func TestReportOfRootDoesNotStay(t *testing.T) {
	testkit.RequireRoot(t)
	c := newContainer(t, "TALE_RUN_AS=1001:1001", "TALE_LOG_LEVEL=loud")
	if err := os.Chmod(c.runDir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fake-report.json", "fake-work-report.json"} {
		if err := os.WriteFile(filepath.Join(c.runDir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code := c.start(nil).Wait(); code != exit.Config {
		t.Errorf("exit code %d", code)
	}
	if d := c.report("fake-report.json"); d.Failure == nil || d.Failure.ExitCode != exit.Config {
		t.Errorf("the report is %+v", d)
	}
	if c.has("fake-work-report.json") {
		t.Error("the job's old report is still there")
	}
}

// A child gets its input and outputs, and nothing else that is open.
func TestChildGetsNoInheritedDescriptors(t *testing.T) {
	c := newContainer(t).start([]string{"sh", "-c", `exec 5</dev/null "$@"`, "sh"}, "work")
	c.Until("the stage is over", func() bool { return c.Says("stage look done") })
	if c.Says("descriptor 5") {
		t.Error("the child has what its parent was started with")
	}
}

// Another user may have made the run folder a link: root must not write there.
func TestLinkedRunFolderIsRefusedUntouched(t *testing.T) {
	testkit.RequireRoot(t)
	c := newContainer(t, "TALE_RUN_AS=1001:1001")
	victim := testkit.PublicDir(t)
	link := filepath.Join(testkit.PublicDir(t), "run")
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	c.environ["TALE_RUN_DIR"] = link
	if code := c.start(nil).Wait(); code != exit.NoPermission || !c.Says(link+" is a symbolic link") {
		t.Errorf("exit code %d", code)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(victim, &st); err != nil || st.Uid != 0 {
		t.Errorf("the folder behind the link belongs to uid %d, %v", st.Uid, err)
	}
	if left, err := os.ReadDir(victim); err != nil || len(left) > 0 {
		t.Errorf("left behind the link: %v, %v", left, err)
	}
}
