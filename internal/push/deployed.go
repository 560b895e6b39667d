package push

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

// Missing reports why the deployment does not have the functions of a request, or "" when
// it has them, and changes nothing. The last push tells whether it was of this request,
// components and schemas included, as far as it left a record; of a push without one, by
// another tool, only the app's own modules can be compared. Variables do not matter here,
// nor does a push that was begun and not finished.
func Missing(ctx context.Context, client *backend.Client, request *requestfile.File) (string, error) {
	member, pushed, err := client.LastPusher(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot read the last push: %w", err)
	}
	if !pushed {
		return "nothing was ever pushed", nil
	}
	record, err := strconv.ParseUint(member, 10, 64)
	if err == nil && record>>halfBits != 0 {
		if record>>halfBits == requestHalf(request.Digest()) {
			return "", nil
		}
		return "the last push was of another release", nil
	}
	modules, err := client.ConfigHashes(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot read the module hashes: %w", err)
	}
	return moduleDifference(request.Index, modules), nil
}
