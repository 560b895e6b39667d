package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

// readLimit is how long a backend may take to tell what is deployed. One that takes
// longer is asked to take the push instead.
const readLimit = 15 * time.Second

// deployedState is what the backend says about the deployment, all of it read
// within a few milliseconds and nothing of it changed by reading.
type deployedState struct {
	modules   map[string]backend.ModuleHash
	pusher    string
	pushed    bool
	urls      backend.CanonicalURLs
	variables map[string]string
	pending   string
	canary    string
}

func readDeployed(ctx context.Context, client *backend.Client) (deployedState, error) {
	var s deployedState
	group, ctx := errgroup.WithContext(ctx)
	read := func(what string, from func() error) {
		group.Go(func() error {
			if err := from(); err != nil {
				return fmt.Errorf("cannot read %s: %w", what, err)
			}
			return nil
		})
	}
	read("the module hashes", func() (err error) { s.modules, err = client.ConfigHashes(ctx); return })
	read("the last push", func() (err error) { s.pusher, s.pushed, err = client.LastPusher(ctx); return })
	read("the deployment's URLs", func() (err error) { s.urls, err = client.CanonicalURLs(ctx); return })
	read("the variables", func() (err error) { s.variables, err = client.ListEnv(ctx); return })
	read("the schemas", func() (err error) { s.pending, err = client.PendingSchema(ctx); return })
	read("the functions", func() (err error) { s.canary, err = client.ArgumentlessQuery(ctx); return })
	return s, group.Wait()
}

// nothingToDo decides whether the deployment is already what a push of the file
// would make it. It answers "" if so, else why a push is needed.
//
// The rule. A push is skipped if and only if the backend itself says all of this:
//
//  1. the last finished push was of this very request file, and its
//     code was evaluated with exactly the variables and URLs that the deployment
//     has now (the push record): covers functions, components, schemas, node
//     dependencies, auth config, crons, another version or another tool pushing
//     in between, and a variable changed by any client at any time;
//  2. the app's modules are those of the file, by hash: covers a deployment whose
//     code was replaced without a push, by a restored backup for instance;
//  3. neither the app nor a component has a schema pending: covers a push that
//     stopped after start_push, which left unused indexes behind;
//  4. it runs a function, the canary: covers a database that came without the
//     packages which its rows name, restored alone or beside another volume. All
//     of the above is rows. The backend that cannot load a package answers 500;
//     then the push must not give hashes of modules that are in it, and lost is
//     true. A function that fails has run, and so is good enough.
//
// Whatever cannot be read, because the backend is older, newer or something else,
// is not proven, and then the push is made. It is always safe to push: unchanged
// modules are not sent, and the backend changes nothing that is the same.
func (d *deployment) nothingToDo(ctx context.Context) (why string, lost bool) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	s, err := readDeployed(ctx, d.client)
	switch {
	case err != nil:
		return "cannot read what is deployed: " + err.Error(), false
	case !s.pushed:
		return "nothing was ever pushed", false
	}
	if why := moduleDifference(d.file.Index, s.modules); why != "" {
		return why, false
	}
	switch {
	case !recordMatches(s.pusher, d.file.Digest(), s.urls, s.variables):
		return "the last push was not of this request with these variables", false
	case s.pending != "":
		return "an unfinished push left a schema pending in " + s.pending, false
	}
	if err := tryCanary(ctx, d.client, s.canary); err != nil {
		failed, answered := errors.AsType[*backend.APIError](err)
		return "the deployment does not run functions: " + err.Error(), answered && failed.Status >= http.StatusInternalServerError
	}
	d.ran = ran(s.canary)
	return "", false
}

// moduleDifference compares the app's own modules. Schema and definition are
// compared when the backend lists them.
func moduleDifference(index *requestfile.Index, deployed map[string]backend.ModuleHash) string {
	different, known := 0, 0
	for _, m := range index.Modules {
		if m.Component != "" {
			continue
		}
		have, listed := deployed[m.Path]
		if listed {
			known++
		}
		if !listed && m.Role != requestfile.RoleFunction {
			continue
		}
		if have.SHA256 != m.SHA256 || have.Environment != m.Environment {
			different++
		}
	}
	removed := len(deployed) - known
	if different == 0 && removed == 0 {
		return ""
	}
	return fmt.Sprintf("%d modules of the app are new or changed, %d are removed", different, removed)
}
