package diagnosis

import (
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

const rebuild = "correct the code and build the image again"

// refusalRows returns the errors of evaluate_push, start_push and finish_push that
// the same input repeats.
func (at advisor) refusalRows() []row {
	return append(at.analysisRows(), append(authConfigRows(), append(schemaRows(), sizeRows()...)...)...)
}

func refusedFor(cause string, fix ...string) row {
	return row{seen: []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush}, cause: cause, fix: fix, retry: RetryNo, exit: exit.DeployRefused}
}

func (r row) forCodes(codes ...string) row {
	r.codes = codes
	return r
}

func (r row) at(stages ...backend.Stage) row {
	r.seen = stages
	return r
}

// analysisRows returns those about loading and reading the modules.
func (at advisor) analysisRows() []row {
	return []row{
		{
			codes:    []string{"InvalidModules"},
			seen:     []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush},
			contains: "maximum duration",
			cause:    "Loading a module took longer than the backend allows for the analysis of a push (the seconds are in its message); on a machine under load this passes.",
			fix: []string{
				at.Set("ISOLATE_ANALYZE_USER_TIMEOUT_SECONDS=10", "convex") + " (ACTIONS_USER_TIMEOUT_SECS has no effect here)",
				"move heavy work out of the top level of the module that the backend names",
			},
			retry: RetrySame, pace: PaceLoad, exit: exit.Temporary,
		},
		refusedFor("A module failed when the backend loaded it: an exception at import, too much memory, or more than 4096 files.",
			"the backend's words name the module and the line", rebuild).forCodes("InvalidModules"),
		refusedFor("The backend cannot make a project of the request: a bad path, version or environment, \"use node\" inside a component, or a Node.js version it does not have (its words say which).",
			rebuild, "after an update of the convex package: use the backend image of the same release").forCodes("InvalidConfig"),
		refusedFor("The backend cannot read the request: its shape is of another release, or it is larger than 200 MB.",
			"use a convex package and a backend image of about the same age", at.Run("platform", "version")).forCodes("BadJsonBody"),
		refusedFor("Two modules have paths that mean the same to the backend.", "rename one of them and build the image again").forCodes("CanonicalizationConflict"),
		{
			codes: []string{"InvalidExternalModules"},
			seen:  []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush},
			cause: "The backend could not install the external packages of the \"use node\" functions; it runs npm itself and needs the registry.",
			fix: []string{
				at.Log("convex") + " | grep -i npm",
				"give the convex container access to an npm registry, or take the packages out of node.externalPackages in convex.json",
			},
			retry: RetrySame, pace: PaceLoad, exit: exit.Temporary,
		},
		refusedFor("The backend finds no Node.js that it can run \"use node\" functions with (18, 20, 22 or 24).",
			at.Exec("convex", "node --version"), "use the convex image unchanged, or install such a Node.js in yours").forCodes("DeploymentNotConfiguredForNodeActions"),
		refusedFor("A component or the app is defined in a way the backend does not accept.", "the backend's words name the file", rebuild).
			forCodes("InvalidConvexConfig", "InvalidDefinition", "CyclicImport", "TypecheckError", "InvalidReference", "InvalidModulePath", "InvalidExport"),
		refusedFor("A function's name or a cron job is not valid.", "the backend's words say what and where", rebuild).forCodes("InvalidFunctionName", "InvalidCron"),
		refusedFor("finish_push lacks a package that start_push stored; something changed the request between.",
			"let CONVEX_URL name the backend itself (http://convex:3210)").forCodes("MissingSourcePackage").at(backend.StageFinishPush),
		refusedFor("The push reads more documents of the system tables than one transaction may; a known fault of backends before April 2026 with many function handles.",
			"update the backend image").forCodes("TooManyReads").at(backend.StageStartPush, backend.StageFinishPush),
	}
}

func authConfigRows() []row {
	return []row{
		refusedFor("auth.config is not valid: it fails when evaluated, has no default export, names a provider wrongly, or stands beside the older form in convex.json.",
			"the backend's words say what and where", rebuild).forCodes("InvalidAuthConfig", "InvalidProviderDomainUrl", "InvalidSignatureAlgorithm"),
	}
}

// schemaRows returns those about schema.ts itself; documents that contradict it are
// ConditionSchemaFailed.
func schemaRows() []row {
	forbidden := refusedFor("schema.ts uses something that is not there while a schema is evaluated (random numbers, environment variables, imports at run time, …).",
		"make schema.ts a plain description and build the image again")
	forbidden.family = "No…InSchema"
	forbidden.codeLike = func(code string) bool {
		return strings.HasPrefix(code, "No") && strings.HasSuffix(code, "InSchema")
	}
	return []row{
		refusedFor("schema.ts is not a valid schema.", "the backend's words say what and where", rebuild).
			forCodes("InvalidSchema", "MissingSchemaExportError", "InvalidSchemaExport", "InvalidTopLevelTypeInSchemaError",
				"SchemaDefinitionError", "UnsupportedFloatLiteral", "InvalidVectorDimensionError"),
		refusedFor("Evaluating schema.ts threw an exception.", "the backend's words say what and where", rebuild).forCodes("Error"),
		forbidden,
		refusedFor("An index or a table of the schema is not valid.", "the backend's words name it", rebuild).
			forCodes("EmptyIndex", "FieldsNotUniqueWithinIndex", "IndexNotUnique", "IndexFieldsContainId", "IndexFieldsContainCreationTime",
				"IndexFieldNameReserved", "SearchIndexFieldNotUnique", "VectorIndexFieldNotUnique", "IndexNameReserved", "IndexNamesNotUnique",
				"InvalidIndexName", "InvalidIndexField", "InvalidTableName", "TableNameReserved", "IndexTooManyFields", "IndexTooManyFilterFields"),
		refusedFor("A table would have more than 64 indexes, those of earlier releases included.", "remove indexes in one release, add new ones in the next").forCodes("TooManyIndexes"),
		refusedFor("The deployment would have more than 10,000 tables.", rebuild).forCodes("TooManyTables"),
	}
}

func sizeRows() []row {
	return []row{
		refusedFor("The functions are larger than the backend takes, compressed or unpacked, external packages included (both sizes are in its message).",
			"take large dependencies out of the functions, or move them into \"use node\" actions with node.externalPackages in convex.json").forCodes("ModulesTooLarge"),
		refusedFor("The message of the deploy is too long for the backend's audit log.", "shorten it").forCodes("PushMessageTooLong").at(backend.StageFinishPush),
	}
}
