package diagnosis

import (
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// driverRows returns what goes wrong on our side of the wire.
func (at advisor) driverRows() []row { return append(at.unusableRows(), at.endRows()...) }

// unusableRows returns what a driver cannot work with.
func (at advisor) unusableRows() []row {
	return []row{
		{
			conditions: []Condition{ConditionRequestUnusable},
			seen:       []backend.Stage{backend.StageBundle},
			cause:      "The push request in the image (CONVEX_PUSH_REQUEST) cannot be used.",
			fix:        []string{"build it again with the image (make push-request), where CONVEX_PUSH_REQUEST names it", "or " + at.Set("CONVEX_DEPLOY_DRIVER=cli", "platform") + " (needs the convex CLI in the image)"},
			retry:      RetryNo, exit: exit.DeployRefused,
		},
		{
			conditions: []Condition{ConditionCLINotFound},
			seen:       []backend.Stage{backend.StageBundle},
			cause:      "There is no convex CLI in the image, or nothing to run it with (bun or node).",
			fix:        []string{"install the package convex in CONVEX_APP_DIR, or name the command in CONVEX_CLI", "or build the push request into the image (make push-request), which needs no CLI at run time"},
			retry:      RetryNo, exit: exit.NotFound,
		},
		{
			conditions: []Condition{ConditionCLINotExecutable},
			seen:       []backend.Stage{backend.StageBundle},
			cause:      "The convex CLI is there and cannot be executed: its permissions, its first line, a binary of another architecture, or a Node.js that is too old for it.",
			fix:        []string{at.Run("platform", "doctor"), "correct CONVEX_CLI in " + at.Settings(), "if Node.js is too old: put bun or a newer one into the image"},
			retry:      RetryNo, exit: exit.NotExecutable,
		},
	}
}

// endRows returns how a CLI ends that was to push.
func (at advisor) endRows() []row {
	return []row{
		{
			conditions: []Condition{ConditionCLIKilled},
			cause:      "A signal that was not ours ended the convex CLI; mostly this is the kernel, out of memory.",
			fix:        []string{at.OutOfMemory("platform"), at.RaiseMemory("platform"), "or build the push request into the image (make push-request)"},
			retry:      RetryRedo, pace: PaceLoad, exit: exit.Temporary,
		},
		{
			conditions: []Condition{ConditionCLICrashed},
			seen:       []backend.Stage{backend.StageBundle},
			cause:      "The convex CLI, or the Node.js or bun that runs it, crashed in its own code: SIGABRT mostly is Node.js at the end of its heap, SIGILL a binary for a newer processor, SIGSEGV a defect.",
			fix: []string{
				"its last lines, if it printed any, say more",
				"SIGABRT: more heap, NODE_OPTIONS=--max-old-space-size=4096 in the environment of the platform service, and memory for it",
				"SIGILL: " + at.Exec("platform", "grep -m1 flags /proc/cpuinfo") + " (bun needs avx2; its build for older processors is called baseline)",
				"or build the push request into the image (make push-request), which needs no CLI at run time",
			},
			retry: RetryRedo, pace: PaceLoad, exit: exit.Temporary,
		},
		{
			conditions: []Condition{ConditionCLIFailed},
			stages:     []backend.Stage{backend.StageBundle},
			cause:      "The convex CLI ended before its first request: it could not bundle the functions, or does not accept its settings.",
			fix:        []string{"its last lines, above, say why", "remove the app's own environment files and CONVEX_DEPLOYMENT from the image", "npx convex deploy --dry-run in the app's folder on a development machine"},
			retry:      RetryNo, exit: exit.DeployRefused,
		},
		{
			conditions: []Condition{ConditionCLIFailed},
			stages:     []backend.Stage{backend.StageGetConfigHashes, backend.StageEvaluateSchema, backend.StageEvaluatePush},
			cause:      "The convex CLI ended although the backend had answered well: it would have asked for a confirmation (an index of 100,000 or more documents is removed or built), or does not understand the answer.",
			fix: []string{
				"its last lines, above, say why",
				"if an index is removed on purpose: " + at.Set("CONVEX_MIN_DOCUMENTS_FOR_INDEX_DELETE_WARNING=1000000000", "platform"),
				"if it does not understand the answer: use a convex package and a backend image of about the same age",
			},
			retry: RetryNo, exit: exit.DeployRefused,
		},
		{
			conditions: []Condition{ConditionCLIFailed},
			cause:      "The convex CLI ended with an error although no request of it had failed.",
			fix:        []string{"its last lines, above, say why", "use a convex package and a backend image of about the same age"},
			retry:      RetryNo, exit: exit.DeployRefused,
		},
	}
}
