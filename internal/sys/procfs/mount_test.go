package procfs

import "testing"

func TestMounts(t *testing.T) {
	const mountinfo = `454 405 0:52 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/x
772 454 254:0 /var/lib/docker/volumes/df7ef5c64b8f2d510f1e59f351e6a10c4552edfdf1e8483c2eb625ccf96ae93c/_data /app/data rw,relatime master:1 - ext4 /dev/vda rw
773 454 254:0 /var/lib/docker/volumes/shop-1_convex-data/_data /named rw,relatime - ext4 /dev/vda rw
774 454 0:61 / /memory rw - tmpfs tmpfs rw
775 454 254:0 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/data /pod rw - ext4 /dev/vda rw
776 454 254:0 /srv/shop /twice rw - ext4 /dev/vda rw
777 454 0:62 / /twice rw - tmpfs tmpfs rw
`
	for folder, want := range map[string]string{
		"/app/data": "a volume without a name, which the next container does not get", "/named": "", "/memory": "in memory",
		"/pod": "an emptyDir, which ends with its pod", "/twice": "in memory",
	} {
		mount, mounted := mountAt(mountinfo, folder)
		if got := mount.Fleeting(); !mounted || got != want {
			t.Errorf("%s: %q, %t", folder, got, mounted)
		}
	}
	if mount, mounted := mountAt(mountinfo, "/app"); mounted {
		t.Errorf("%+v", mount)
	}
	if _, mounted := MountAt("/proc"); !mounted {
		t.Error("nothing is mounted at /proc")
	}
}
