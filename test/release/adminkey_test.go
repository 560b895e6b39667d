package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What the engine lists: name, our project and service, those of compose.
const (
	blue      = "shop-1a2b3c-platform-blue|shop-1a2b3c|platform|shop-1a2b3c-blue|platform-blue"
	green     = "shop-1a2b3c-platform-green|shop-1a2b3c|platform|shop-1a2b3c-green|platform-green"
	database  = "shop-1a2b3c-db|shop-1a2b3c|db|shop-1a2b3c|db"
	olderTool = "wiki-99-platform-blue|||wiki-99-blue|platform-blue"
	oldest    = "tale-platform-green||||"
	compose   = "tale-platform-1|||tale|platform"
	foreign   = "platform-of-others||||"
)

func TestAdminKeyScript(t *testing.T) {
	for name, tt := range map[string]struct {
		lists []string
		image string // what is in the container: ours, script, none
		args  []string
		code  int
		out   string
		says  string
	}{
		"one":                 {[]string{database, green, foreign}, "ours", nil, 0, "key of shop-1a2b3c-platform-green\n", ""},
		"both colours":        {[]string{blue, green}, "ours", nil, 0, "key of shop-1a2b3c-platform-blue\n", ""},
		"of the older tool":   {[]string{olderTool, database}, "script", nil, 0, "script of wiki-99-platform-blue\n", ""},
		"older names":         {[]string{oldest}, "script", nil, 0, "script of tale-platform-green\n", ""},
		"of the compose file": {[]string{compose}, "ours", nil, 0, "key of tale-platform-1\n", ""},
		"named project":       {[]string{olderTool, blue}, "ours", []string{"shop-1a2b3c"}, 0, "key of shop-1a2b3c-platform-blue\n", ""},
		"named old project":   {[]string{blue, olderTool}, "script", []string{"wiki-99"}, 0, "script of wiki-99-platform-blue\n", ""},
		"named container":     {[]string{blue, green}, "ours", []string{"shop-1a2b3c-platform-green"}, 0, "key of shop-1a2b3c-platform-green\n", ""},
		"two projects":        {[]string{blue, olderTool}, "ours", nil, 64, "", "name one of them:\nshop-1a2b3c\nwiki-99\n"},
		"another project":     {[]string{blue}, "ours", []string{"shop-2"}, 4, "", "no web application of shop-2 runs"},
		"part of a name":      {[]string{blue}, "ours", []string{"shop"}, 4, "", "no web application of shop runs"},
		"none":                {[]string{database, foreign}, "ours", nil, 4, "", "tale deploy starts it"},
		"neither in it":       {[]string{blue}, "none", nil, 78, "", "neither platform-entrypoint nor"},
		"failing":             {[]string{blue}, "failing", nil, 77, "", "INSTANCE_SECRET is wrong"},
		"no engine":           {nil, "", nil, 69, "", "is it up"},
		"usage":               {[]string{blue}, "ours", []string{"a", "b"}, 64, "", "usage:"},
	} {
		for _, shell := range shells {
			t.Run(name+" "+shell, func(t *testing.T) {
				bin, inside := t.TempDir(), t.TempDir()
				i := &installer{t: t, bin: bin}
				i.have("mktemp", "rm", "cut", "sort", "wc", "head", "cat", "sh")
				list := `cat <<'END'` + "\n" + strings.Join(tt.lists, "\n") + "\nEND\n"
				if tt.lists == nil {
					list = "echo 'Cannot connect to the Docker daemon' >&2; exit 1"
				}
				// It runs what it is given, where the programs of the image are.
				i.fake("docker", `case $1 in ps) `+list+`
;; exec) export C=$2; shift 2; PATH=`+inside+`:$PATH; cd `+inside+`; exec "$@" ;; esac`)
				in := &installer{t: t, bin: inside}
				switch tt.image {
				case "ours":
					in.fake("platform-entrypoint", `[ "$1" = admin-key ] && echo "key of $C"`)
				case "script":
					in.fake("generate-admin-key.sh", `echo "script of $C"`)
				case "failing":
					in.fake("platform-entrypoint", `echo INSTANCE_SECRET is wrong >&2; exit 77`)
				}
				adminKey(t, shell, bin, tt.args, tt.code, tt.out, tt.says)
			})
		}
	}
}

// In the folder of a project the command is asked, where there is one.
func TestAdminKeyScriptAsksTale(t *testing.T) {
	i := &installer{t: t, bin: t.TempDir()}
	i.fake("tale", `case $* in "config show") exit $IN ;; admin-key) echo "key of tale" ;; esac`)
	t.Setenv("IN", "0")
	adminKey(t, "sh", i.bin, nil, 0, "key of tale\n", "")
	t.Setenv("IN", "78")
	adminKey(t, "sh", i.bin, nil, 69, "", "there is no docker command")
}

func adminKey(t *testing.T, shell, bin string, args []string, code int, out, says string) {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(root + "/scripts/get-admin-key.sh")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path, append([]string{script}, args...)...)
	command.Env = slices.Concat(os.Environ(), []string{"PATH=" + bin})
	var stderr testkit.Buffer
	command.Stderr = &stderr
	got, _ := command.Output() // the code says it
	if command.ProcessState.ExitCode() != code || string(got) != out || !strings.Contains(stderr.String(), says) {
		t.Errorf("exit %d, %q, %s", command.ProcessState.ExitCode(), got, stderr.String())
	}
}
