package entrypoint_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// execution runs the exec command as a process of the given user.
func execution(t *testing.T, uid uint32, environ []string, args ...string) (code int, output string) {
	t.Helper()
	command := exec.Command("/proc/self/exe", append([]string{"exec"}, args...)...) //nolint:gosec // this test binary
	command.Env = append([]string{testkit.RoleVariable + "=entrypoint", "PATH=" + os.Getenv("PATH")}, environ...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	text, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(text)
}

func TestExecGivesUpRootWhenAsked(t *testing.T) {
	testkit.RequireRoot(t)
	show := []string{"sh", "-c", `echo "$(id -u):$(id -g):$(id -G) $HOME"; exit 7`}
	tests := map[string]struct {
		uid     uint32
		environ []string
		flags   []string
		code    int
		out     string
	}{
		"not asked":         {0, nil, nil, 7, "0:0:0 \n"},
		"by flag":           {0, nil, []string{"--user", "61001:61002"}, 7, "61001:61002:61002 /\n"},
		"by setting":        {0, []string{"TALE_RUN_AS=61001:61001"}, nil, 7, "61001:61001:61001 /\n"},
		"flag over setting": {0, []string{"TALE_RUN_AS=5:5"}, []string{"--user", "0:0"}, 7, "0:0:0 \n"},
		"is that user":      {61001, nil, []string{"--user", "61001:61001"}, 7, "61001:61001:61001 \n"},
		"is another user":   {61001, nil, []string{"--user", "0:0"}, exit.NoPermission, "cannot become 0:0: this process runs as 61001:61001"},
		"service's setting": {61001, []string{"TALE_RUN_AS=5:5"}, nil, 7, "61001:61001:61001 \n"},
		"no user":           {0, nil, []string{"--user", "app"}, exit.Usage, `cannot become "app": not UID:GID`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, out := execution(t, tt.uid, tt.environ, append(append(tt.flags, "--"), show...)...)
			if code != tt.code || !strings.Contains(out, tt.out) {
				t.Errorf("exit code %d, %q; want %d, %q", code, out, tt.code, tt.out)
			}
		})
	}
}
