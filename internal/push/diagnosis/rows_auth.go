package diagnosis

import "github.com/tale-project/tale-runtime/internal/exit"

// authRows returns the answers to a key that is not accepted (every route).
func (at advisor) authRows() []row {
	return []row{
		{
			codes: []string{"BadAdminKey"},
			cause: "The admin key is not valid for this backend: it was made from another INSTANCE_NAME or INSTANCE_SECRET than the backend runs with (the backend does not say which).",
			fix: []string{
				at.Run("platform", "doctor") + " (name and secret fingerprint on this side)",
				at.Exec("convex", "convex-entrypoint status") + " (the same on the other side; they must be equal)",
				at.Recreate("convex", "platform") + " (after both read the same " + at.Values() + ")",
			},
			retry: RetryNo, exit: exit.NoPermission,
		},
		{
			codes: []string{"ReadOnlyAdminKey", "OperationNotPermitted"},
			cause: "The admin key is valid but may not do what a push does.",
			fix:   []string{"remove a CONVEX_SELF_HOSTED_ADMIN_KEY or CONVEX_DEPLOY_KEY of your own; the key is made from INSTANCE_NAME and INSTANCE_SECRET", at.Recreate("platform")},
			retry: RetryNo, exit: exit.NoPermission,
		},
		{
			codes: []string{"BadDeployKey", "NoAuthProvider", "InvalidAuthHeader", "AuthorizationMissing"},
			cause: "No admin key arrived at the backend, or a key that may not deploy (a system key, a token of a user).",
			fix: []string{
				"let CONVEX_URL name the backend itself (http://convex:3210): a proxy between may drop the Authorization header",
				at.Run("platform", "doctor"),
			},
			retry: RetryNo, exit: exit.NoPermission,
		},
		{
			codes: []string{"InvalidHeaderFailure", "HeaderParseFailure"},
			cause: "The backend cannot read the Authorization header: something between changes it, or the instance name contains a ':' or '|'.",
			fix:   []string{"let CONVEX_URL name the backend itself (http://convex:3210)", "check INSTANCE_NAME in " + at.Settings()},
			retry: RetryNo, exit: exit.NoPermission,
		},
		{
			codes: []string{"ClientVersionUnsupported", "InvalidClientVersion"},
			cause: "The backend refuses the version of the client that asks; for the CLI this means that it is far too old.",
			fix:   []string{"update the package convex in the app's package.json and build the image again"},
			retry: RetryNo, exit: exit.DeployRefused,
		},
	}
}
