package push

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// A push record is how a later boot knows that the deployment is already what it
// is about to push. It is kept by the deployment itself: the audit log's entry of
// a push, which is committed in the same transaction as the functions, names the
// member of the admin key that finish_push was called with. Admin keys are minted
// here, for any member id, and the id used for finish_push is a digest of
// everything that the push depended on. So the last entry of the log tells what
// the deployment consists of, whichever client pushed last and whatever was lost since.
//
// Module hashes cannot tell it: backends report those of the app and not of its
// components, and neither node dependencies nor what the code saw of the
// environment. A variable of ours would be one too many, and an additional module
// would make the drivers leave different deployments behind.
//
// (crates/model/src/deployment_audit_log/mod.rs, insert_with_member_override; the
// entry is read back with _system/frontend/deploymentEvents:lastPushEvent. Both
// are the same in backends of 2026-02 and 2026-08.)

// A record has two halves, the request and what it was evaluated with: who serves looks at
// the first alone, since a variable may have changed after the push.

// recordBits keeps the id exact where numbers are floating point, and positive.
const (
	recordBits = 52
	halfBits   = recordBits / 2
)

// recordID returns the member id for a push of the given request, evaluated with the
// given variables. It is larger than the ids of ordinary keys.
func recordID(requestSHA256 string, urls backend.CanonicalURLs, variables map[string]string) uint64 {
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "tale-runtime push record 2\n%q\n%q\n", urls.Cloud, urls.Site)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		_, _ = fmt.Fprintf(digest, "%q=%q\n", name, variables[name])
	}
	return requestHalf(requestSHA256)<<halfBits | half(digest.Sum(nil))
}

// requestHalf returns a number other than 0, which is that of every ordinary key.
func requestHalf(requestSHA256 string) uint64 {
	digest := sha256.Sum256([]byte("tale-runtime push record 2\n" + requestSHA256))
	return cmp.Or(half(digest[:]), 1)
}

func half(digest []byte) uint64 { return binary.BigEndian.Uint64(digest) >> (64 - halfBits) }

// recordKey returns the function that makes the key of finish_push. When no
// record can be made the ordinary key is used, and the next boot pushes again.
func recordKey(client *backend.Client, mint func(uint64) (string, error), digest string) func(context.Context, map[string]string) string {
	if mint == nil {
		return nil
	}
	return func(ctx context.Context, variables map[string]string) string {
		urls, err := client.CanonicalURLs(ctx)
		if err != nil {
			return client.AdminKey()
		}
		key, err := mint(recordID(digest, urls, variables))
		if err != nil {
			return client.AdminKey()
		}
		return key
	}
}

func recordMatches(member, digest string, urls backend.CanonicalURLs, variables map[string]string) bool {
	return member == strconv.FormatUint(recordID(digest, urls, variables), 10)
}
