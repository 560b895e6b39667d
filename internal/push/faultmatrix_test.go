package push

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// The stages a fault can occur in, as letters: get_config_hashes (H),
// evaluate_push (E), start_push (S), wait_for_schema (W), finish_push (F).
var stageLetters = map[rune]backend.Stage{
	'H': backend.StageGetConfigHashes, 'E': backend.StageEvaluatePush, 'S': backend.StageStartPush, 'W': backend.StageWaitForSchema, 'F': backend.StageFinishPush,
}

// matrixRow is what a backend can do to a push, and what has to come of it. The
// rows follow the backend's source by stage and class of error; the catalogue of
// package diagnosis is not consulted.
type matrixRow struct {
	fault  fault.Fault // without its stage
	codes  string      // of the fault, separated by blanks; "" is none
	stages string
	retry  bool
	exit   int
}

func matrix() []matrixRow {
	const (
		all       = "HESWF"
		refused   = exit.DeployRefused
		temporary = exit.Temporary
		denied    = exit.NoPermission
	)
	status := func(status int) fault.Fault { return fault.Fault{Status: status} }
	return []matrixRow{
		// Before anything was deployed: a schema that is active cannot fail any more.
		{fault.Fault{SchemaError: "Document does not match the schema", Table: "notes"}, "", "W", false, refused},
		// Races and contention.
		{status(400), "RaceDetected SchemaAlreadyOverwritten ConcurrentPush", "F", true, temporary},
		{status(400), "SchemaAlreadyFailed", "F", false, refused},
		{status(409), "MissingExistingModule MissingExistingModuleMetadata ExistingModuleHashConflict ExistingModuleEnvConflict", "ES", true, temporary},
		{status(503), "OptimisticConcurrencyControlFailure", "SF", true, temporary},
		{fault.Fault{Race: true}, "", "W", true, temporary},
		// Capacity and restarts.
		{status(503), "ExecuteFullError ExpiredInQueue WorkerOverloaded InitialPermitTimeoutError IsolateNotClean SystemTimeoutError", "ES", true, temporary},
		{status(503), "CommitterFullError", "SF", true, temporary},
		{status(503), "SubscriptionsWorkerFullError", "W", true, temporary},
		{status(503), "TableSummariesUnavailable SearchIndexesUnavailable VectorIndexesUnavailable", "ES", true, temporary},
		{status(503), "InternalServerError ServiceUnavailable", all, true, temporary},
		{status(500), "InternalServerError", all, true, temporary},
		{status(408), "", all, true, temporary},
		{status(429), "TooManyConcurrentRequests", all, true, temporary},
		{status(502), "", all, true, temporary},
		{fault.Fault{Drop: fault.DropHeaders}, "", all, true, temporary},
		{fault.Fault{Drop: fault.DropBody}, "", all, true, temporary},
		// A route that is not there.
		{status(404), "", "ESWF", false, refused},
		// Who asks.
		{status(401), "BadAdminKey", all, false, denied},
		{status(403), "BadDeployKey", all, false, denied},
		{status(403), "ReadOnlyAdminKey OperationNotPermitted", "ESF", false, denied},
		// What is asked for.
		{status(400), "InvalidConfig BadJsonBody ModulesTooLarge CanonicalizationConflict DeploymentNotConfiguredForNodeActions " +
			"AuthConfigMissingEnvironmentVariable InvalidAuthConfig InvalidProviderDomainUrl InvalidSignatureAlgorithm", "ES", false, refused},
		{status(400), "InvalidSchema MissingSchemaExportError InvalidSchemaExport InvalidTopLevelTypeInSchemaError SchemaDefinitionError " +
			"UnsupportedFloatLiteral InvalidVectorDimensionError Error NoCryptoRngInSchema NoEnvironmentVariablesInSchema NoImportModuleInSchema", "S", false, refused},
		{status(400), "EmptyIndex FieldsNotUniqueWithinIndex IndexNotUnique IndexFieldsContainId IndexFieldsContainCreationTime IndexFieldNameReserved " +
			"SearchIndexFieldNotUnique VectorIndexFieldNotUnique IndexNameReserved IndexNamesNotUnique InvalidIndexName InvalidIndexField " +
			"InvalidTableName TableNameReserved IndexTooManyFields IndexTooManyFilterFields TooManyIndexes TooManyTables", "S", false, refused},
		{status(400), "InvalidConvexConfig InvalidDefinition CyclicImport TypecheckError InvalidReference InvalidModulePath InvalidExport " +
			"InvalidFunctionName InvalidCron InvalidEnvVarDeclaration", "S", false, refused},
		{status(400), "MissingSourcePackage MissingEnvironmentVariables InvalidEnvironmentVariable PushMessageTooLong", "F", false, refused},
		{fault.Fault{Status: 400, Message: "Loading the pushed modules encountered the following error:\nTypeError: x is undefined"}, "InvalidModules", "ES", false, refused},
		// What nobody has seen yet.
		{status(400), "SomethingNew", all, false, refused},
		{status(503), "SomethingNew", all, true, temporary},
	}
}

// matrixCell is one fault at one stage, and what has to come of it.
type matrixCell struct {
	fault fault.Fault
	row   matrixRow
}

func matrixCells() []matrixCell {
	var cells []matrixCell
	for _, row := range matrix() {
		for _, letter := range row.stages {
			for code := range strings.SplitSeq(row.codes, " ") {
				fault := row.fault
				fault.Stage, fault.Code = string(stageLetters[letter]), code
				cells = append(cells, matrixCell{fault, row})
			}
		}
	}
	return cells
}

func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{driverNative, driverCLI} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			d := newTestDeploy(t).byCLI(t, clitest.Deploys)
			d.Options.run = inProcess
			if driver == driverNative {
				d.byRequest(t)
			}
			for _, cell := range matrixCells() {
				fault := cell.fault
				if fault.Stage == string(backend.StageEvaluatePush) && driver == driverNative {
					continue // the native driver does not ask for it
				}
				fault.Times = 1
				t.Run(fmt.Sprintf("%s %s %d", fault.Stage, fault.Code, fault.Status), func(t *testing.T) { d.cell(t, fault, cell.row) })
			}
		})
	}
}

// cell is one fault in one stage: the first attempt meets it, a second does not.
func (d *testDeploy) cell(t *testing.T, fault fault.Fault, row matrixRow) {
	id, err := d.sim.Inject(fault)
	if err != nil {
		t.Fatal(err)
	}
	defer d.sim.Remove(id)
	var met *diagnosis.Failure
	d.Attempts, d.timer = 2, &instantTimer{}
	d.OnRetry = func(f *diagnosis.Failure) { met = f }
	done, err := Deploy(t.Context(), logging.Discard(), d.client, d.Options)
	if fault.Status == 409 && d.Driver == driverNative {
		if err != nil || done.Attempts != 1 {
			t.Errorf("hashes that are refused: %d attempts, %v", done.Attempts, err)
		}
		return
	}
	retried := met != nil
	if retried != row.retry || retried != (err == nil) || done.Attempts != map[bool]int{true: 2, false: 1}[retried] {
		t.Fatalf("retried %v after %d attempts: %v", retried, done.Attempts, err)
	}
	if met == nil && !errors.As(err, &met) {
		t.Fatalf("error %v", err)
	}
	d.checkCell(t, fault, row, met)
}

func (d *testDeploy) checkCell(t *testing.T, fault fault.Fault, row matrixRow, met *diagnosis.Failure) {
	o := met.Observation
	if string(o.Stage) != fault.Stage || o.Code != fault.Code || met.ExitCode() != row.exit || met.Driver != d.Driver {
		t.Errorf("%+v, exit %d, driver %s", o, met.ExitCode(), met.Driver)
	}
	switch {
	case fault.Drop != "":
		if o.Transport != netcause.Closed && o.Transport != netcause.Reset {
			t.Errorf("transport %q", o.Transport)
		}
	case fault.Race:
		if o.Condition != diagnosis.ConditionSchemaRace {
			t.Errorf("condition %q", o.Condition)
		}
	case fault.SchemaError != "":
		if o.Condition != diagnosis.ConditionSchemaFailed || o.Message != fault.SchemaError || o.Table != fault.Table {
			t.Errorf("%+v", o)
		}
	case o.Status != fault.Status || !strings.Contains(o.Message, fault.Message):
		t.Errorf("status %d, message %q", o.Status, o.Message)
	}
}
