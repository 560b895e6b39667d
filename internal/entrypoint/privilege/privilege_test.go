package privilege_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const appUID, appGID = 1001, 1001

// tree makes files; a name that ends in a slash is a folder.
func tree(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func chown(t *testing.T, uid, gid int, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Lchown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

func owner(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}

func privileges(t *testing.T, data, writable []string) string {
	t.Helper()
	text, err := json.Marshal(privilege.Drop{UID: appUID, GID: appGID, Data: data, Writable: writable})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// apply runs the helper of that name behind a command such as setpriv.
func apply(t *testing.T, prefix []string, data, writable []string) *testkit.Process {
	t.Helper()
	return run(t, append(slices.Clone(prefix), os.Args[0], privileges(t, data, writable))...)
}

func identityOf(t *testing.T, p *testkit.Process) identity {
	t.Helper()
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(p.Output.String()), "\n")
	var id identity
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestRootFixesOwnersOfWhatIsWrong(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	data := filepath.Join(dir, "data")
	tree(t, dir, "data/", "data/a/", "data/a/b/", "data/a/b/file", "data/right", "data/gid", "outside", "outer/", "outer/file")
	chown(t, appUID, appGID, data, filepath.Join(data, "right"))
	chown(t, appUID, 0, filepath.Join(data, "gid"))
	for link, target := range map[string]string{"data/link": "outside", "data/a/folder": "outer"} {
		if err := os.Symlink(filepath.Join(dir, target), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	p := apply(t, nil, []string{data}, nil)
	identityOf(t, p)
	for _, name := range []string{"data", "data/a", "data/a/b", "data/a/b/file", "data/right", "data/gid", "data/link", "data/a/folder"} {
		if got := owner(t, filepath.Join(dir, name)); got != "1001:1001" {
			t.Errorf("%s belongs to %s", name, got)
		}
	}
	for _, name := range []string{"outside", "outer", "outer/file"} {
		if got := owner(t, filepath.Join(dir, name)); got != "0:0" {
			t.Errorf("%s, behind a link, now belongs to %s", name, got)
		}
	}
	if !strings.Contains(p.Output.String(), "changed=6 checked=8") {
		t.Error("what was changed is not logged")
	}
	again := apply(t, nil, []string{data}, nil)
	identityOf(t, again)
	if strings.Contains(again.Output.String(), "corrected") {
		t.Error("a second start found something to correct")
	}
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "wrong/", "inside/", "inside/file", "right/", "closed/", "closed/inner/", "closed/inner/file", "mine/", "mine/inner/", "mine/inner/file", "private/")
	chown(t, appUID, appGID, filepath.Join(dir, "right"), filepath.Join(dir, "private"), filepath.Join(dir, "inside"))
	chown(t, 1234, 1234, filepath.Join(dir, "closed/inner"))
	for _, closed := range []string{"closed/inner", "mine/inner", "mine", "private"} {
		if err := os.Chmod(filepath.Join(dir, closed), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		without, data string
		code          int
		text          string
	}{
		"setuid":               {"-setuid", "right", exit.NoPermission, `cannot become uid 1001 gid 1001: the capability CAP_SETUID is missing: add cap_add: [SETUID] to the container, or start it as that user (user: "1001:1001")`},
		"setuid and setgid":    {"-setuid,-setgid", "right", exit.NoPermission, "the capabilities CAP_SETUID and CAP_SETGID are missing: add cap_add: [SETUID, SETGID]"},
		"all that is needed":   {"-all", "wrong", exit.NoPermission, "the capabilities CAP_SETUID and CAP_SETGID and CAP_CHOWN are missing: add cap_add: [SETUID, SETGID, CHOWN]"},
		"chown, plainly":       {"-chown", "wrong", exit.NoPermission, "cannot become uid 1001 gid 1001: the capability CAP_CHOWN is missing"},
		"chown, inside":        {"-chown", "inside", exit.NoPermission, "inside/file for uid 1001 gid 1001: the capability CAP_CHOWN is missing"},
		"chown not needed":     {"-chown", "right", 0, ""},
		"other's folder":       {"-dac_override,-dac_read_search", "closed", exit.NoPermission, "cannot look into " + dir + "/closed/inner for uid 1001 gid 1001: the capability CAP_DAC_OVERRIDE is missing"},
		"own folder":           {"-dac_override,-dac_read_search", "mine", 0, ""},
		"nothing but required": {"-all,+setuid,+setgid,+chown", "private", 0, "owners below a private folder are not checked: CAP_DAC_OVERRIDE is missing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := apply(t, []string{"setpriv", "--bounding-set", tt.without}, []string{filepath.Join(dir, tt.data)}, nil)
			if code := p.Wait(); code != tt.code || !strings.Contains(p.Output.String(), tt.text) {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// The run folder changes its owner, its content does not, and /tmp stays.
func TestOwnFolderIsGivenWithoutItsContent(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "own/", "own/file", "tmp/")
	if err := os.Chmod(filepath.Join(dir, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	own := []string{filepath.Join(dir, "own"), filepath.Join(dir, "tmp"), filepath.Join(dir, "new")}
	text, err := json.Marshal(privilege.Drop{UID: appUID, GID: appGID, Own: own})
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, "setpriv", "--bounding-set", "-chown", os.Args[0], string(text))
	if code := p.Wait(); code != exit.NoPermission || !strings.Contains(p.Output.String(), "the capability CAP_CHOWN is missing") {
		t.Errorf("exit code %d", code)
	}
	identityOf(t, run(t, os.Args[0], string(text)))
	for name, want := range map[string]string{"own": "1001:1001", "own/file": "0:0", "tmp": "0:0", "new": "1001:1001"} {
		if got := owner(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s belongs to %s, want %s", name, got, want)
		}
	}
}

// A run folder that another container made a link must not give away what it
// leads to.
func TestLinkedFolderIsRefused(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "victim/", "victim/file")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "victim"), link); err != nil {
		t.Fatal(err)
	}
	for name, drop := range map[string]privilege.Drop{"own": {Own: []string{link}}, "data": {Data: []string{link}}} {
		drop.UID, drop.GID = appUID, appGID
		text, err := json.Marshal(drop)
		if err != nil {
			t.Fatal(err)
		}
		p := run(t, os.Args[0], string(text))
		if code := p.Wait(); code != exit.NoPermission || !p.Says(link+" is a symbolic link") {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	for _, name := range []string{"victim", "victim/file"} {
		if got := owner(t, filepath.Join(dir, name)); got != "0:0" {
			t.Errorf("%s belongs to %s now", name, got)
		}
	}
}

// asNobody runs a command as a user without any rights of its own.
func asNobody(t *testing.T) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil // we are one
	}
	return []string{"setpriv", "--reuid", "12345", "--regid", "0", "--clear-groups"}
}

func TestAnyOtherUserJustRuns(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "data/", "data/file")
	if err := os.Chmod(filepath.Join(dir, "data"), 0o775); err != nil { // as OpenShift prepares volumes
		t.Fatal(err)
	}
	id := identityOf(t, apply(t, asNobody(t), []string{filepath.Join(dir, "data")}, []string{os.TempDir()}))
	if id.UID != 12345 {
		t.Errorf("got %+v", id)
	}
	left, err := filepath.Glob(filepath.Join(dir, "data", ".writable*"))
	if err != nil || len(left) > 0 {
		t.Errorf("the check left %q behind, %v", left, err)
	}
}

func TestFolderThatCannotBeWrittenIsExplained(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "data/", "other/", "readonly/", "file")
	for _, name := range []string{"data", "other"} {
		chown(t, 1001, 1002, filepath.Join(dir, name))
	}
	readonly := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o ro none "$0" && exec "$@"`, filepath.Join(dir, "readonly")}
	tests := map[string]struct {
		prefix         []string
		data, writable string
		texts          []string
	}{
		"all at once": {asNobody(t), "data", "other", []string{
			"cannot write to " + dir + "/data: it belongs to uid 1001 gid 1002 with mode 0755, and this process runs as uid 12345 gid 0",
			"give the folder to that user (chown -R 12345:0 " + dir + "/data)",
			"cannot write to " + dir + "/other: ",
		}},
		"missing":   {asNobody(t), "data/new/folder", "", []string{dir + "/data belongs to uid 1001 gid 1002"}},
		"read-only": {append(slices.Clone(readonly), asNobody(t)...), "readonly", "", []string{"it is on a read-only file system"}},
		"a file":    {asNobody(t), "file", "", []string{"cannot write to " + dir + "/file: "}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var writable []string
			if tt.writable != "" {
				writable = []string{filepath.Join(dir, tt.writable)}
			}
			p := apply(t, tt.prefix, []string{filepath.Join(dir, tt.data)}, writable)
			if code := p.Wait(); code != exit.NoPermission {
				t.Errorf("exit code %d", code)
			}
			for _, text := range tt.texts {
				if !strings.Contains(p.Output.String(), text) {
					t.Errorf("not said: %s", text)
				}
			}
		})
	}
}

func TestReadOnlyRootIsEnough(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "data/", "data/file")
	script := `mount --bind "$0" "$0" && mount -o remount,ro,bind / && exec "$@"`
	id := identityOf(t, apply(t, []string{"unshare", "--mount", "sh", "-c", script, dir}, []string{filepath.Join(dir, "data")}, nil))
	if id.UID != appUID {
		t.Errorf("got %+v", id)
	}
}

func TestReadOnlyMountBelowTheDataIsLeftAlone(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "data/", "data/readonly/", "data/file")
	script := `mount -t tmpfs none "$0" && touch "$0/file" && mount -o remount,ro "$0" && exec "$@"`
	identityOf(t, apply(t, []string{"unshare", "--mount", "sh", "-c", script, filepath.Join(dir, "data/readonly")}, []string{filepath.Join(dir, "data")}, nil))
	if got := owner(t, filepath.Join(dir, "data/file")); got != "1001:1001" {
		t.Errorf("the file beside it belongs to %s", got)
	}
}

func TestFullDiskIsNoMatterOfPermissions(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	tree(t, dir, "data/")
	full := []string{"unshare", "--mount", "sh", "-c",
		`mount -t tmpfs -o size=64k,mode=777 none "$0" && ! head -c 1M /dev/zero >"$0/file" && exec "$@"`, filepath.Join(dir, "data")}
	p := apply(t, append(full, asNobody(t)...), []string{filepath.Join(dir, "data")}, nil)
	if code := p.Wait(); code != exit.Unavailable {
		t.Errorf("exit code %d", code)
	}
	if text := "cannot write to " + dir + "/data: the disk is full (write " + dir; !strings.Contains(p.Output.String(), text) {
		t.Errorf("not said: %s", text)
	}
}

// Root meets it, too, where it makes a folder.
func TestFullDiskIsNoMatterOfPermissionsForRoot(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	full := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o nr_inodes=1 none "$0" && exec "$@"`, dir}
	p := apply(t, full, []string{filepath.Join(dir, "data")}, nil)
	if code := p.Wait(); code != exit.Unavailable || !strings.Contains(p.Output.String(), "cannot make the folder "+dir+"/data") {
		t.Errorf("exit code %d", code)
	}
}
