package privilege

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

var errNotUser = errors.New("not UID:GID, two numbers such as 1001:1001")

// ParseUser reads a user and a group from "UID:GID". Names are not looked up:
// an image without a user database has none. The kernel's ids have 32 bits, and
// the last one means "do not change it", which would leave root what it is.
func ParseUser(text string) (uid, gid int, err error) {
	user, group, _ := strings.Cut(text, ":")
	u, userErr := strconv.ParseUint(user, 10, 32)
	g, groupErr := strconv.ParseUint(group, 10, 32)
	if userErr != nil || groupErr != nil || u == math.MaxUint32 || g == math.MaxUint32 {
		return 0, 0, errNotUser
	}
	return int(u), int(g), nil
}
