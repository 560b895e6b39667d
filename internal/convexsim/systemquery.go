package convexsim

import (
	"context"
	"fmt"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// System queries of the backend that the command line client uses.
const (
	envQuery       = "_system/cli/queryEnvironmentVariables:default"
	envQueryOne    = "_system/cli/queryEnvironmentVariables:get"
	tableSizeQuery = "_system/cli/tableSize:default"
	apiSpecQuery   = "_system/cli/modules:apiSpec"
	tablesQuery    = "_system/cli/tables:default"
	tableDataQuery = "_system/cli/tableData:default"
)

// System queries of the backend that its dashboard uses, and that tell a deploy
// what is there.
const (
	lastPushQuery   = "_system/frontend/deploymentEvents:lastPushEvent"
	componentsQuery = "_system/frontend/components:list"
	schemasQuery    = "_system/frontend/getSchemas:default"
	indexesQuery    = "_system/frontend/indexes:default"
	stateQuery      = "_system/frontend/deploymentState:deploymentState"
)

// Functions of the backend behind the dashboard's Files tab (npm-packages/system-udfs).
const (
	uploadURLFunction = "_system/frontend/fileStorageV2:generateUploadUrl"
	fileFunction      = "_system/frontend/fileStorageV2:getFile"
)

// systemQuery answers the queries that the command line client asks the
// backend's own code.
func (s *Server) systemQuery(ctx context.Context, who keybroker.Identity, call runner.Call) (any, error) {
	name, arguments := call.Path, functionRequest{Args: call.Args}.arguments()
	if who < keybroker.ReadOnlyAdmin {
		return nil, functionError(fmt.Sprintf("Could not find public function for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", name))
	}
	if s.functions != nil && slices.Contains([]string{tableSizeQuery, apiSpecQuery, tablesQuery, tableDataQuery}, name) {
		return s.functions.System(ctx, name, call.Component, call.Args)
	}
	stored := s.store.View()
	switch name {
	case envQuery:
		return stored.EnvironmentDocuments(), nil
	case envQueryOne:
		wanted, _ := arguments["name"].(string)
		value, ok := stored.Environment[wanted]
		if builtIn, isBuiltIn := s.builtIn(wanted); isBuiltIn {
			value, ok = builtIn, true
		}
		if !ok {
			return nil, nil
		}
		return map[string]string{"name": wanted, "value": value}, nil
	case tableSizeQuery:
		return 0, nil
	case uploadURLFunction:
		if err := who.MustWrite(); err != nil {
			return nil, err
		}
		return s.UploadURL()
	case fileFunction:
		return s.fileDocument(ctx, arguments["storageId"])
	case apiSpecQuery:
		return stored.FunctionDocuments(), nil
	}
	if value, known := s.dashboardQuery(name, arguments); known {
		return value, nil
	}
	return nil, functionError(fmt.Sprintf("%s is not simulated", name))
}

// builtIn returns the value of a variable that the backend itself provides.
func (s *Server) builtIn(name string) (value string, ok bool) {
	switch name {
	case state.CloudURLVariable:
		return s.origins().Cloud, true
	case state.SiteURLVariable:
		return s.origins().Site, true
	}
	return "", false
}

func (s *Server) origins() Origins {
	if s.options.Origins != nil {
		return *s.options.Origins
	}
	return Origins{
		Cloud: fmt.Sprintf("http://127.0.0.1:%d", s.options.Port),
		Site:  fmt.Sprintf("http://127.0.0.1:%d", s.options.SitePort),
	}
}

// dashboardQuery answers the dashboard's queries; known is false for others.
func (s *Server) dashboardQuery(name string, arguments map[string]any) (value any, known bool) {
	stored := s.store.View()
	switch name {
	case lastPushQuery:
		return stored.LastPushDocument(), true
	case stateQuery:
		return stored.BackendStateDocument(), true
	case componentsQuery:
		return stored.ComponentDocuments(), true
	case schemasQuery:
		return stored.SchemasOf(stored.ComponentByID(arguments["componentId"])), true
	case indexesQuery:
		table, _ := arguments["tableName"].(string)
		return stored.IndexDocuments(stored.ComponentByID(arguments["tableNamespace"]), table), true
	}
	return nil, false
}
