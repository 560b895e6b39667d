package privilege

import "testing"

func TestParseUser(t *testing.T) {
	if uid, gid, err := ParseUser("1001:1002"); err != nil || uid != 1001 || gid != 1002 {
		t.Errorf("%d:%d, %v", uid, gid, err)
	}
	for _, text := range []string{"", "1001", "app:app", "1001:", ":1001", "-1:1", "1:-1", "1:2:3", " 1:2", "4294967295:1", "1:4294967295", "4294967296:1"} {
		if _, _, err := ParseUser(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
