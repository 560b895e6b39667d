package supervise

import (
	"errors"
	"strconv"
	"strings"
)

var errNotUser = errors.New("not UID:GID, two numbers such as 1001:1001")

// ParseUser reads a user and a group from "UID:GID". Names are not looked up:
// an image without a user database has none.
func ParseUser(text string) (uid, gid int, err error) {
	user, group, _ := strings.Cut(text, ":")
	uid, userErr := strconv.Atoi(user)
	gid, groupErr := strconv.Atoi(group)
	if userErr != nil || groupErr != nil || uid < 0 || gid < 0 {
		return 0, 0, errNotUser
	}
	return uid, gid, nil
}
