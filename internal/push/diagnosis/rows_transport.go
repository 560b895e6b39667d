package diagnosis

import (
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// broken returns the ways to lose a connection that was there.
func broken() []netcause.Kind { return []netcause.Kind{netcause.Closed, netcause.Reset} }

// restartSilent returns the last step where the backend may hang.
func (at advisor) restartSilent() string {
	return at.Restart("convex") + ", if it stays silent"
}

// transportRows returns the requests without a complete answer, by stage where the stage
// makes a difference.
func (at advisor) transportRows() []row {
	restarted := []string{
		at.State("convex") + " (did it restart? exit code 0 means a lost database lease, 137 out of memory)",
		at.readBackendLog(),
		at.Exec("convex", "df -h /app/data") + " (a full disk)",
	}
	lost := func(stage backend.Stage, retry Retry, cause string) row {
		return row{transport: broken(), stages: []backend.Stage{stage}, cause: cause, fix: restarted, retry: retry, pace: PaceRestart, exit: exit.Temporary}
	}
	// Not retried: the function may not be safe to run twice.
	lostFunction := lost(backend.StageRunFunction, RetryNo, "The connection broke while the function ran; it may have done its work.")
	lostFunction.pace = ""
	return append([]row{
		lost(backend.StageListEnv, RetrySame, "The connection broke while the variables were read; the backend is probably restarting."),
		lost(backend.StageUpdateEnv, RetrySame, "The connection broke while the variables were written, so that it is not known whether they were; they are read again before anything is written again."),
		lost(backend.StageGetConfigHashes, RetryRedo, "The connection broke before the push began; the backend is probably restarting."),
		lost(backend.StageEvaluateSchema, RetryRedo, "The connection broke while the schema was evaluated; the backend is probably restarting. Nothing was changed."),
		lost(backend.StageEvaluatePush, RetryRedo, "The connection broke while the functions were evaluated; the backend is probably restarting (a very large push can end it for lack of memory). Nothing was changed."),
		lost(backend.StageStartPush, RetryRedo, "The connection broke while the functions were analysed; the backend is probably restarting (a very large push can end it for lack of memory); {old}."),
		lost(backend.StageWaitForSchema, RetryRedo, "The connection broke while indexes were built; the backend is probably restarting, and goes on building afterwards; {old}."),
		lost(backend.StageFinishPush, RetryRedo, "The connection broke during the commit, so that it is not known whether the new functions are live; pushing again is safe and finds out."),
		lostFunction,
		{
			transport: broken(),
			cause:     "The connection broke before the answer was complete; the backend is probably restarting.",
			fix:       restarted, retry: RetrySame, pace: PaceRestart, exit: exit.Temporary,
		},
	}, at.unreachableRows(restarted)...)
}

// unreachableRows returns the requests that never reached a backend.
func (at advisor) unreachableRows(restarted []string) []row {
	checkURL := "check CONVEX_URL in " + at.Settings() + at.BackendURL()
	return []row{
		{
			transport: []netcause.Kind{netcause.Refused},
			cause:     "Nothing listens at CONVEX_URL: the backend is down, or restarting since the push began.",
			fix:       restarted, retry: RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
		{
			transport: []netcause.Kind{netcause.DNS},
			cause:     "The host name in CONVEX_URL does not resolve: the container is gone, or not on the same network.",
			fix:       []string{at.State("convex"), at.Start("convex"), checkURL},
			retry:     RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
		{
			transport: []netcause.Kind{netcause.Unreachable},
			cause:     "There is no route to the host in CONVEX_URL.",
			fix:       []string{checkURL, at.State("convex")},
			retry:     RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
		{
			transport: []netcause.Kind{netcause.Silent},
			cause:     "The backend accepts connections but does not answer: it hangs, is overloaded, or its database does not answer.",
			fix:       []string{at.Exec("convex", "convex-entrypoint status"), at.Load("convex", "db"), at.readBackendLog(), at.restartSilent()},
			retry:     RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
		{
			transport: []netcause.Kind{netcause.Timeout},
			cause:     "No connection to the backend came about in time: its machine is down or overloaded, or a firewall swallows the packets.",
			fix:       []string{at.Load("convex", "db"), at.readBackendLog(), checkURL},
			retry:     RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
		{
			transport: []netcause.Kind{netcause.TLS},
			cause:     "The TLS connection to CONVEX_URL failed: {reason}.",
			fix:       []string{checkURL},
			retry:     RetryNo, exit: exit.DeployRefused,
		},
		{
			transport: []netcause.Kind{netcause.Protocol},
			cause:     "What listens at CONVEX_URL does not speak HTTP.",
			fix:       []string{checkURL},
			retry:     RetryNo, exit: exit.DeployRefused,
		},
		{
			transport: []netcause.Kind{netcause.Other},
			cause:     "The request failed on our side: {reason}.",
			fix:       []string{checkURL, at.readBackendLog()},
			retry:     RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
	}
}
