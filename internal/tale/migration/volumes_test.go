package migration

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/xattr"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
)

func TestWhatACopyLeavesOutIsNamed(t *testing.T) {
	report := volume.Report{Files: 2, Bytes: 3000}
	want := "is a copy of old, verified: 3.0 kB in 2 files"
	if got := copied(Copy{From: "old"}, report); got != want {
		t.Error(got)
	}
	report.Sockets, report.Left = []string{"a/b"}, xattr.Left{"system.nfs4_acl": 2}
	want += "; left out are sockets: [a/b]; left out are extended attributes of files: system.nfs4_acl of 2"
	if got := copied(Copy{From: "old"}, report); got != want {
		t.Error(got)
	}
}
