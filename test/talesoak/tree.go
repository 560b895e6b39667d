package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// planted fills the folder $0 with files of every kind.
const planted = `umask 022; mkdir -p "$0/a/b" "$0/c" && cd "$0"
for i in $(seq 80); do head -c $((i * 200)) /dev/urandom >a/b/$i; done
head -c 4000000 /dev/urandom >large && truncate -s 9M sparse && printf end >>sparse
ln a/b/1 c/hard && ln -s ../a/b/2 c/soft && mkfifo pipe && : >empty && printf x >"a
name" && chown -R 1000:1000 a && chmod 4755 empty && chmod 700 c && touch -d "2020-02-02 02:02:02.123456789" c a/b/3`

// appOwned makes all of it the application user's, as the backend does where it finds
// anything that is not.
const appOwned = `chown -hR 1001:1001 "$0" && chmod 4755 "$0/empty"`

// plant fills a folder; it has not to be there.
func plant(ctx context.Context, folder, more string) error {
	if out, err := exec.CommandContext(ctx, "sh", "-ec", planted+"\n"+more, folder).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot fill %s: %w: %s", folder, err, out)
	}
	return errors.Join(unix.Lsetxattr(filepath.Join(folder, "a/b/4"), "user.soak", []byte("a\x00b"), 0), unix.Lsetxattr(filepath.Join(folder, "c"), "user.soak", nil, 0),
		unix.Lsetxattr(filepath.Join(folder, "a/b/5"), capability, []byte(netBind), 0), unix.Lsetxattr(filepath.Join(folder, "a/b/6"), "security.soak", []byte("stays"), 0))
}

// capability is the attribute that lets a program do more than its user may, and netBind, as in
// capabilities(7), to listen at port 80.
const (
	capability = "security.capability"
	netBind    = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// folderOf returns where the files of a volume are on this host.
func folderOf(ctx context.Context, volume string) (string, error) {
	out, err := docker(ctx, "volume", "inspect", "-f", "{{.Mountpoint}}", volume)
	return strings.TrimSpace(out), err
}

// thing is what there is to know of a file or a folder.
type thing struct{ content, looks, owner string }

// things are by their paths below a folder.
type things map[string]thing

// thingsOf returns what is in a volume, its own folder excepted.
func thingsOf(ctx context.Context, volume string) (things, error) {
	folder, err := folderOf(ctx, volume)
	if err != nil {
		return nil, err
	}
	return thingsIn(folder)
}

func thingsIn(folder string) (things, error) {
	found, first := things{}, map[uint64]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name := path[len(folder)+1:]
		found[name], err = look(path, name, first)
		return err
	})
	return found, err
}

func look(path, name string, first map[uint64]string) (t thing, err error) {
	var s unix.Stat_t
	if err := unix.Lstat(path, &s); err != nil {
		return t, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	t.owner = fmt.Sprintf("%d:%d", s.Uid, s.Gid)
	t.looks = fmt.Sprintf("%o %d.%09d", s.Mode, s.Mtim.Sec, s.Mtim.Nsec)
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		t.content, err = sumOf(path)
	case unix.S_IFLNK:
		t.content, err = os.Readlink(path)
	}
	if s.Mode&unix.S_IFMT != unix.S_IFDIR && s.Nlink > 1 {
		if _, seen := first[s.Ino]; !seen {
			first[s.Ino] = name
		}
		t.looks += fmt.Sprintf(" %d = %s", s.Nlink, first[s.Ino])
	}
	list := make([]byte, 1<<12)
	n, wrong := unix.Llistxattr(path, list)
	for attribute := range strings.SplitSeq(strings.TrimSuffix(string(list[:max(n, 0)]), "\x00"), "\x00") {
		if strings.HasPrefix(attribute, "user.") || attribute == capability {
			value := make([]byte, 1<<12)
			n, err := unix.Lgetxattr(path, attribute, value)
			t.looks += fmt.Sprintf(" %s=%q", attribute, value[:max(n, 0)])
			wrong = errors.Join(wrong, err)
		}
	}
	return t, errors.Join(err, wrong)
}

func sumOf(path string) (string, error) {
	// A fifo in its place is not waited for.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// givenTo returns the same with one owner, and as chown leaves it.
func (t things) givenTo(owner string, byChown bool) things {
	given := maps.Clone(t)
	for name, is := range given {
		is.owner = owner
		if byChown {
			is.looks = strings.Replace(is.looks, "104755", "100755", 1)
			is.looks = strings.Replace(is.looks, fmt.Sprintf(" %s=%q", capability, netBind), "", 1)
		}
		given[name] = is
	}
	return given
}

// contents returns no more than what is in the files.
func (t things) contents() things {
	found := things{}
	for name, is := range t {
		if is.content != "" {
			found[name] = thing{content: is.content}
		}
	}
	return found
}

// below returns those whose path begins so, or does not.
func (t things) below(prefix string, is bool) things {
	found := maps.Clone(t)
	maps.DeleteFunc(found, func(name string, _ thing) bool {
		return is != (name == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(name, prefix))
	})
	return found
}

// lacks returns what of these is not there, or not so.
func (t things) lacks(wanted things) (missing []string) {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if have, there := t[name]; !there {
			missing = append(missing, fmt.Sprintf("%q is not there", name))
		} else if have != wanted[name] {
			missing = append(missing, fmt.Sprintf("%q is %v, not %v", name, have, wanted[name]))
		}
	}
	return missing
}

// differs returns what is not the same.
func (t things) differs(wanted things) []string {
	differing := t.lacks(wanted)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if _, known := wanted[name]; !known {
			differing = append(differing, fmt.Sprintf("%q is there", name))
		}
	}
	return differing
}
