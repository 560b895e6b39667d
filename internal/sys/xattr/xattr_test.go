package xattr

import "testing"

func TestWhatTravels(t *testing.T) {
	left := Left{}
	for name, want := range map[string]bool{
		"user.comment": true, "trusted.md5sum": true, "security.capability": true, "system.posix_acl_access": true, "system.posix_acl_default": true,
		"security.selinux": false, "security.ima": false, "security.evm": false, "security.SMACK64": false, "security.capability2": false,
		"system.nfs4_acl": false, "system.nfs4_dacl": false, "system.richacl": false, "system.cifs_acl": false, "btrfs.compression": false, "user": false,
	} {
		if got := Travels(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
		left.Add(name)
	}
	for range 1233 {
		left.Add("system.nfs4_acl")
	}
	delete(left, "user")
	const want = "extended attributes of files: btrfs.compression of 1, security.SMACK64 of 1, security.capability2 of 1, system.cifs_acl of 1, system.nfs4_acl of 1,234, system.nfs4_dacl of 1, system.richacl of 1"
	if got := left.String(); got != want {
		t.Errorf("%s", got)
	}
	if got := (Left{}).String(); got != "" {
		t.Errorf("%q", got)
	}
}
