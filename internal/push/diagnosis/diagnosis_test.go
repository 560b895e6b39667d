package diagnosis

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// The stages that evaluate and commit code; their errors are alike.
var (
	evaluating = []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush}
	committing = []backend.Stage{backend.StageFinishPush}
	variables  = []backend.Stage{backend.StageUpdateEnv}
	anyStage   = []backend.Stage{backend.StageCheckAdminKey, backend.StageListEnv, backend.StageUpdateEnv, backend.StageGetConfigHashes, backend.StageEvaluatePush, backend.StageStartPush, backend.StageWaitForSchema, backend.StageFinishPush}
)

// known is what the backend's sources say about its codes (convex-backend,
// 2026-02 and 2026-08): where each occurs and whether it passes.
var known = []struct {
	codes  string
	status int
	stages []backend.Stage
	retry  Retry
	exit   int
}{
	// races and contention
	{"RaceDetected SchemaAlreadyOverwritten ConcurrentPush", 400, committing, RetryRedo, exit.Temporary},
	{"SchemaAlreadyFailed", 400, committing, RetryNo, exit.DeployRefused},
	{"MissingExistingModule MissingExistingModuleMetadata ExistingModuleHashConflict ExistingModuleEnvConflict", 409, evaluating, RetryRedo, exit.Temporary},
	{"OptimisticConcurrencyControlFailure", 503, []backend.Stage{backend.StageStartPush, backend.StageUpdateEnv}, RetrySame, exit.Temporary},
	{"OptimisticConcurrencyControlFailure", 503, committing, RetryRedo, exit.Temporary},
	{"InternalServerError", 500, []backend.Stage{backend.StageWaitForSchema, backend.StageFinishPush}, RetryRedo, exit.Temporary},
	// capacity and start-up
	{"ExecuteFullError ExpiredInQueue WorkerOverloaded InitialPermitTimeoutError IsolateNotClean SystemTimeoutError CommitterFullError", 503, evaluating, RetrySame, exit.Temporary},
	{"ExecuteFullError ExpiredInQueue WorkerOverloaded InitialPermitTimeoutError IsolateNotClean CommitterFullError", 503, variables, RetrySame, exit.Temporary},
	{"SubscriptionsWorkerFullError", 503, []backend.Stage{backend.StageWaitForSchema}, RetrySame, exit.Temporary},
	{"InternalServerError ServiceUnavailable", 503, anyStage, RetrySame, exit.Temporary},
	{"InternalServerError", 500, []backend.Stage{backend.StageListEnv, backend.StageUpdateEnv, backend.StageGetConfigHashes, backend.StageEvaluatePush, backend.StageStartPush}, RetrySame, exit.Temporary},
	{"TooManyConcurrentRequests", 429, []backend.Stage{backend.StageRunFunction}, RetrySame, exit.Temporary},
	{"TableSummariesUnavailable SearchIndexesUnavailable VectorIndexesUnavailable", 503, append(evaluating, backend.StageEvaluateSchema), RetrySame, exit.Temporary},
	{"TextIndexTooLarge VectorIndexTooLarge TooManyWritesInTimePeriod", 503, []backend.Stage{backend.StageRunFunction}, RetrySame, exit.Temporary},
	// refused for good
	{"InvalidConfig BadJsonBody ModulesTooLarge InvalidModules CanonicalizationConflict DeploymentNotConfiguredForNodeActions " +
		"AuthConfigMissingEnvironmentVariable InvalidAuthConfig InvalidProviderDomainUrl InvalidSignatureAlgorithm " +
		"InvalidSchema MissingSchemaExportError InvalidSchemaExport InvalidTopLevelTypeInSchemaError SchemaDefinitionError UnsupportedFloatLiteral " +
		"InvalidVectorDimensionError Error NoCryptoRngInSchema NoEnvironmentVariablesInSchema NoImportModuleInSchema " +
		"EmptyIndex FieldsNotUniqueWithinIndex IndexNotUnique IndexFieldsContainId IndexFieldsContainCreationTime IndexFieldNameReserved " +
		"SearchIndexFieldNotUnique VectorIndexFieldNotUnique IndexNameReserved IndexNamesNotUnique InvalidIndexName InvalidIndexField " +
		"InvalidTableName TableNameReserved IndexTooManyFields IndexTooManyFilterFields TooManyIndexes TooManyTables " +
		"InvalidConvexConfig InvalidDefinition CyclicImport TypecheckError InvalidReference InvalidModulePath InvalidExport " +
		"InvalidFunctionName InvalidCron InvalidEnvVarDeclaration", 400, evaluating, RetryNo, exit.DeployRefused},
	{"InvalidExternalModules", 400, evaluating, RetrySame, exit.Temporary},
	{"MissingSourcePackage MissingEnvironmentVariables InvalidEnvironmentVariable PushMessageTooLong", 400, committing, RetryNo, exit.DeployRefused},
	// variables
	{"EnvironmentVariableNameInvalid EnvironmentVariableNameTooLong EnvironmentVariableValueTooLarge EnvVarLimitMet EnvVarNameForbidden " +
		"EnvVarNameNotUnique AuthConfigMissingEnvironmentVariable InvalidAuthConfig BadJsonBody EnvVarTotalSizeLimitMet " +
		"RequiredEnvironmentVariable InvalidEnvironmentVariable", 400, variables, RetryNo, exit.DeployRefused},
	// keys
	{"BadAdminKey", 401, anyStage, RetryNo, exit.NoPermission},
	{"BadDeployKey ReadOnlyAdminKey OperationNotPermitted", 403, anyStage, RetryNo, exit.NoPermission},
	{"InvalidHeaderFailure HeaderParseFailure", 400, variables, RetryNo, exit.NoPermission},
	{"ClientVersionUnsupported InvalidClientVersion", 400, anyStage, RetryNo, exit.DeployRefused},
}

func TestDiagnoseKnownCodes(t *testing.T) {
	for _, k := range known {
		for _, code := range strings.Fields(k.codes) {
			for _, stage := range k.stages {
				d := Diagnose(Observation{Stage: stage, Status: k.status, Code: code, Message: "words"})
				if !d.Known || d.Retry != k.retry || d.Exit != k.exit {
					t.Errorf("%s %d at %s: known %v, retry %s, exit %d; want %s, %d", code, k.status, stage, d.Known, d.Retry, d.Exit, k.retry, k.exit)
				}
			}
		}
	}
}

func TestDiagnoseAnswersWithoutCode(t *testing.T) {
	for _, tt := range []struct {
		status int
		stage  backend.Stage
		retry  Retry
		exit   int
		says   string
	}{
		{404, backend.StageEvaluatePush, RetryNo, exit.DeployRefused, "newer than the backend"},
		{404, backend.StageListEnv, RetryNo, exit.DeployRefused, "older than August 2025"},
		{404, backend.StageGetConfigHashes, RetryNo, exit.DeployRefused, "3211"},
		{408, backend.StageStartPush, RetryRedo, exit.Temporary, "HTTP_SERVER_TIMEOUT_SECONDS"},
		{408, backend.StageFinishPush, RetryRedo, exit.Temporary, "HTTP_SERVER_TIMEOUT_SECONDS"},
		{308, backend.StageListEnv, RetryNo, exit.DeployRefused, "redirects"},
		{413, backend.StageStartPush, RetryNo, exit.DeployRefused, "size"},
		{502, backend.StageStartPush, RetryRedo, exit.Temporary, "proxy"},
		{503, backend.StageListEnv, RetryRedo, exit.Temporary, "proxy"},
		{401, backend.StageListEnv, RetryNo, exit.NoPermission, "sign-in of its own"},
	} {
		d := Diagnose(Observation{Stage: tt.stage, Status: tt.status})
		if d.Retry != tt.retry || d.Exit != tt.exit || !strings.Contains(d.Cause, tt.says) {
			t.Errorf("%d at %s: %s, %d, %q", tt.status, tt.stage, d.Retry, d.Exit, d.Cause)
		}
	}
}

func TestDiagnoseAnalyzeTimeout(t *testing.T) {
	d := Diagnose(Observation{Stage: backend.StageStartPush, Status: 400, Code: "InvalidModules",
		Message: "Loading the pushed modules encountered the following error:\nFailed to analyze a.js: Function execution timed out (maximum duration: 2s)"})
	if d.Retry != RetrySame || d.Exit != exit.Temporary || !strings.Contains(d.Fix[0], "ISOLATE_ANALYZE_USER_TIMEOUT_SECONDS") {
		t.Errorf("diagnosis %+v", d)
	}
}

func TestDiagnoseConditions(t *testing.T) {
	for condition, want := range map[Condition]struct {
		stage backend.Stage
		retry Retry
		exit  int
		says  string
	}{
		ConditionSchemaFailed:     {backend.StageWaitForSchema, RetryNo, exit.DeployRefused, `the table messages of the component "chat"`},
		ConditionSchemaRace:       {backend.StageWaitForSchema, RetryRedo, exit.Temporary, "Another push"},
		ConditionStalled:          {backend.StageWaitForSchema, RetryRedo, exit.Temporary, "for 5m (1 of 3 indexes ready)"},
		ConditionDeployMax:        {backend.StageWaitForSchema, RetryNo, exit.Temporary, "1 of 3"},
		ConditionStageTimeout:     {backend.StageBundle, RetryRedo, exit.Temporary, "bundling"},
		ConditionUnexpectedAnswer: {backend.StageStartPush, RetryNo, exit.DeployRefused, "not a Convex backend"},
		ConditionRequestUnusable:  {backend.StageBundle, RetryNo, exit.DeployRefused, "CONVEX_PUSH_REQUEST"},
		ConditionCLINotFound:      {backend.StageBundle, RetryNo, exit.NotFound, "no convex CLI"},
		ConditionCLINotExecutable: {backend.StageBundle, RetryNo, exit.NotExecutable, "cannot be executed"},
		ConditionCLIFailed:        {backend.StageEvaluatePush, RetryNo, exit.DeployRefused, "confirmation"},
		ConditionCLIKilled:        {backend.StageStartPush, RetryRedo, exit.Temporary, "out of memory"},
		ConditionCLICrashed:       {backend.StageBundle, RetryRedo, exit.Temporary, "end of its heap"},
		ConditionVariableLimit:    {backend.StageUpdateEnv, RetryNo, exit.DeployRefused, "larger than one request"},
		ConditionNotConfirmed:     {backend.StageListEnv, RetryNo, exit.Temporary, "another client"},
	} {
		d := Diagnose(Observation{Stage: want.stage, Status: 200, Condition: condition, Table: "messages", Component: "chat",
			Limit: 5 * time.Minute, Progress: backend.Progress{IndexesComplete: 1, IndexesTotal: 3}})
		if diff := cmp.Diff(Diagnosis{Known: true, Retry: want.retry, Exit: want.exit}, d, verdict); diff != "" {
			t.Errorf("%s: %s", condition, diff)
		}
		if !strings.Contains(d.Cause, want.says) {
			t.Errorf("%s: %q is not in %q", condition, want.says, d.Cause)
		}
	}
}

// verdict compares what a process does about a failure, without the words and the
// pace.
var verdict = cmpopts.IgnoreFields(Diagnosis{}, "Cause", "Fix", "Pace")

// Every stage has its own words for a timeout and for a lost connection.
func TestDiagnoseByStage(t *testing.T) {
	timeouts, losses := map[string]backend.Stage{}, map[string]backend.Stage{}
	for _, stage := range []backend.Stage{backend.StageGetConfigHashes, backend.StageEvaluateSchema, backend.StageEvaluatePush, backend.StageStartPush, backend.StageWaitForSchema, backend.StageFinishPush} {
		timeout := Diagnose(Observation{Stage: stage, Condition: ConditionStageTimeout, Limit: time.Minute})
		lost := Diagnose(Observation{Stage: stage, Transport: netcause.Reset})
		want := Diagnosis{Known: true, Retry: RetryRedo, Exit: exit.Temporary}
		for what, d := range map[string]Diagnosis{"timeout": timeout, "lost": lost} {
			if diff := cmp.Diff(want, d, verdict); diff != "" {
				t.Errorf("%s, %s: %s", stage, what, diff)
			}
		}
		if lost.Pace != PaceRestart {
			t.Errorf("%s, lost: pace %v", stage, lost.Pace)
		}
		if other, same := timeouts[timeout.Cause]; same && stage != backend.StageStartPush {
			t.Errorf("%s and %s time out with the same words", stage, other)
		}
		if other, same := losses[lost.Cause]; same {
			t.Errorf("%s and %s lose the connection with the same words", stage, other)
		}
		timeouts[timeout.Cause], losses[lost.Cause] = stage, stage
	}
}

func TestDiagnoseTransport(t *testing.T) {
	for kind, want := range map[netcause.Kind]Retry{
		netcause.DNS: RetryRedo, netcause.Refused: RetryRedo, netcause.Unreachable: RetryRedo, netcause.Timeout: RetryRedo, netcause.Silent: RetryRedo,
		netcause.Closed: RetryRedo, netcause.Reset: RetryRedo, netcause.Other: RetryRedo,
		netcause.TLS: RetryNo, netcause.Protocol: RetryNo, netcause.Canceled: RetryNo,
	} {
		d := Diagnose(Observation{Stage: backend.StageStartPush, Transport: kind, Reason: "why"})
		if d.Retry != want || d.Cause == "" {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

func TestDiagnoseUnknown(t *testing.T) {
	for status, want := range map[int]struct {
		retry Retry
		exit  int
		cause string
	}{
		400: {RetryNo, exit.DeployRefused, "refuses what is pushed"}, 401: {RetryNo, exit.NoPermission, "admin key"}, 403: {RetryNo, exit.NoPermission, "admin key"},
		404: {RetryNo, exit.DeployRefused, "refuses what is pushed"}, 408: {RetrySame, exit.Temporary, "trouble of its own"}, 409: {RetryRedo, exit.Temporary, "changes the deployment at the same moment"},
		429: {RetrySame, exit.Temporary, "trouble of its own"}, 500: {RetrySame, exit.Temporary, "trouble of its own"}, 503: {RetrySame, exit.Temporary, "trouble of its own"},
	} {
		d := Diagnose(Observation{Stage: backend.StageStartPush, Status: status, Code: "FromTheFuture", Message: "words"})
		if diff := cmp.Diff(Diagnosis{Retry: want.retry, Exit: want.exit}, d, verdict); diff != "" {
			t.Errorf("%d: %s", status, diff)
		}
		if !strings.Contains(d.Cause, want.cause) || !strings.Contains(d.Cause, "The catalogue does not have this answer") {
			t.Errorf("%d: %s", status, d.Cause)
		}
		if !slices.Contains(d.Fix, advisor{place.Here()}.readBackendLog()) {
			t.Errorf("%d: fix %q", status, d.Fix)
		}
	}
}

// A refusal without a code is none of the backend's.
func TestDiagnoseUnknownWithoutACode(t *testing.T) {
	d := Diagnose(Observation{Stage: backend.StageStartPush, Status: http.StatusTeapot, Message: "words"})
	if d.Retry != RetryNo || d.Exit != exit.DeployRefused || !strings.Contains(d.Cause, "something between, or no backend at all") || d.Fix[0] != useBackendURL {
		t.Errorf("%+v", d)
	}
}

// Every row must be the one found for something it says it is for; a row that
// another one hides is a lie in the documentation.
func TestEveryRowIsReachable(t *testing.T) {
	for _, section := range (advisor{place.Here()}).catalogue() {
		for _, row := range section.rows {
			for _, o := range examples(row) {
				if got := Diagnose(o); got.Cause != row.diagnose(o).Cause {
					t.Errorf("%s: %s of %s is hidden by %q", section.title, row.subject(), row.stageText(), got.Cause)
				}
			}
		}
	}
}

// examples returns observations that a row claims: its first stage, every subject.
func examples(r row) []Observation {
	o := Observation{Stage: backend.StageCheckAdminKey, Message: r.contains}
	if r.stages != nil {
		o.Stage = r.stages[0]
	}
	var all []Observation
	for _, status := range append(slices.Clone(r.statuses), 0)[:max(1, len(r.statuses))] {
		o.Status = status
		for _, code := range r.codes {
			o.Code = code
			all = append(all, o)
		}
		if r.codeLike != nil {
			o.Code = "NoMagicInSchema"
			all = append(all, o)
		}
		if r.codes == nil && r.codeLike == nil && status != 0 {
			all = append(all, o)
		}
	}
	o.Code, o.Status = "", 0
	for _, condition := range r.conditions {
		o.Condition = condition
		all = append(all, o)
	}
	o.Condition = ""
	for _, kind := range r.transport {
		o.Transport = kind
		all = append(all, o)
	}
	return all
}

// ourCommands are the subcommands that a fix may name.
var (
	ourCommands    = regexp.MustCompile(`(platform-entrypoint|convex-entrypoint|run --rm platform) (\S+)`)
	platformKnows  = []string{"env", "status", "doctor", "exec", "version", "push", "admin-key", "healthcheck"}
	convexKnows    = []string{"status", "admin-key", "exec", "version", "healthcheck", "seed"}
	dockerCommands = regexp.MustCompile(`docker (compose )?(\S+)`)
)

func TestRowsAreComplete(t *testing.T) {
	for _, section := range (advisor{place.Here()}).catalogue() {
		for _, row := range section.rows {
			name := section.title + ": " + row.subject()
			if !strings.HasSuffix(row.cause, ".") || len(row.fix) == 0 || row.exit == 0 || row.retry == "" {
				t.Errorf("%s is not complete", name)
			}
			if (row.retry == RetryNo) != (row.pace == "") {
				t.Errorf("%s: retry %q with pace %q", name, row.retry, row.pace)
			}
			if row.retry != RetryNo && row.exit != exit.Temporary {
				t.Errorf("%s: retried, but exit code %d", name, row.exit)
			}
			for _, fix := range row.fix {
				checkFix(t, name, fix)
			}
			for _, o := range examples(row) {
				if d := row.diagnose(o); placeholderInDoc.MatchString(d.Cause) {
					t.Errorf("%s: a placeholder is left in %q", name, d.Cause)
				}
			}
		}
	}
}

func checkFix(t *testing.T, name, fix string) {
	t.Helper()
	for _, found := range ourCommands.FindAllStringSubmatch(fix, -1) {
		commands := platformKnows
		if found[1] == "convex-entrypoint" {
			commands = convexKnows
		}
		if !slices.Contains(commands, found[2]) {
			t.Errorf("%s: there is no %s %s", name, found[1], found[2])
		}
	}
	for _, found := range dockerCommands.FindAllStringSubmatch(fix, -1) {
		if !slices.Contains([]string{"compose", "logs", "exec", "up", "ps", "restart", "run", "stats", "inspect"}, found[2]) {
			t.Errorf("%s: is docker %s a command?", name, found[2])
		}
	}
}

func TestDiagnosisDoc(t *testing.T) {
	var doc strings.Builder
	if err := WritePage(&doc); err != nil {
		t.Fatal(err)
	}
	for _, k := range known {
		for _, code := range strings.Fields(k.codes) {
			if !strings.HasSuffix(code, "InSchema") && !strings.Contains(doc.String(), "`"+code+"`") {
				t.Errorf("%s is not documented", code)
			}
		}
	}
	if left := placeholderInDoc.FindString(regexp.MustCompile("`[^`]*`").ReplaceAllString(doc.String(), "")); left != "" {
		t.Errorf("the placeholder %s is left in the document", left)
	}
}
