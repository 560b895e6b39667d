package deploy2

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// The types here are the answers of the push routes, as the schemas in
// src/cli/lib/deployApi of the convex package read them.

// StartPushAnswer is what start_push answers.
type StartPushAnswer struct {
	EnvironmentVariables        map[string]string              `json:"environmentVariables"`
	ExternalDepsID              *string                        `json:"externalDepsId"`
	ComponentDefinitionPackages map[string]sourcePackage       `json:"componentDefinitionPackages"`
	AppAuth                     []bundle.AuthProvider          `json:"appAuth"`
	Analysis                    map[string]evaluatedDefinition `json:"analysis"`
	App                         *checkedComponent              `json:"app"`
	SchemaChange                SchemaChange                   `json:"schemaChange"`
}

// SchemaChange is the part of a push that wait_for_schema and finish_push are sent
// again.
type SchemaChange struct {
	AllocatedComponentIDs map[string]string           `json:"allocatedComponentIds"`
	SchemaIDs             map[string]*string          `json:"schemaIds"`
	IndexDiffs            map[string]bundle.IndexDiff `json:"indexDiffs"`
}

// sourcePackage points to uploaded code. Numbers and bytes are in the encoding
// that Convex values have in JSON.
type sourcePackage struct {
	StorageKey        string      `json:"storageKey"`
	SHA256            any         `json:"sha256"`
	ExternalPackageID *string     `json:"externalPackageId"`
	PackageSize       packageSize `json:"packageSize"`
	NodeVersion       *string     `json:"nodeVersion"`
}

type packageSize struct {
	Zipped   any `json:"zippedSizeBytes"`
	Unzipped any `json:"unzippedSizeBytes"`
}

type evaluatedDefinition struct {
	Definition definitionMetadata        `json:"definition"`
	Schema     *analyzedSchema           `json:"schema"`
	Functions  map[string]analyzedModule `json:"functions"`
	UDFConfig  udfConfig                 `json:"udfConfig"`
}

type definitionMetadata struct {
	Path            string            `json:"path"`
	DefinitionType  definitionType    `json:"definitionType"`
	ChildComponents []instantiation   `json:"childComponents"`
	HTTPMounts      map[string]string `json:"httpMounts"`
	Exports         exportBranch      `json:"exports"`
}

// definitionType is {"type":"app"}, or a child component's with name and args.
type definitionType struct {
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
	Args *[]any `json:"args,omitempty"`
}

type instantiation struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Args []any  `json:"args"`
}

type exportBranch struct {
	Type   string `json:"type"`
	Branch []any  `json:"branch"`
}

type analyzedSchema struct {
	Tables           []analyzedTable `json:"tables"`
	SchemaValidation bool            `json:"schemaValidation"`
}

type analyzedTable struct {
	TableName     string          `json:"tableName"`
	Indexes       []analyzedIndex `json:"indexes"`
	SearchIndexes []analyzedIndex `json:"searchIndexes"`
	VectorIndexes []analyzedIndex `json:"vectorIndexes"`
	DocumentType  any             `json:"documentType"`
}

type analyzedIndex struct {
	Descriptor   string   `json:"indexDescriptor"`
	Fields       []string `json:"fields,omitempty"`
	SearchField  string   `json:"searchField,omitempty"`
	VectorField  string   `json:"vectorField,omitempty"`
	Dimensions   int      `json:"dimensions,omitempty"`
	FilterFields []string `json:"filterFields,omitzero"`
}

// analyzedModule has no functions: their kinds cannot be told from the text.
type analyzedModule struct {
	Functions    []any `json:"functions"`
	HTTPRoutes   []any `json:"httpRoutes"`
	CronSpecs    []any `json:"cronSpecs"`
	SourceMapped any   `json:"sourceMapped"`
}

type udfConfig struct {
	ServerVersion            string `json:"serverVersion"`
	ImportPhaseRNGSeed       any    `json:"importPhaseRngSeed"`
	ImportPhaseUnixTimestamp any    `json:"importPhaseUnixTimestamp"`
}

type checkedComponent struct {
	DefinitionPath  string                       `json:"definitionPath"`
	ComponentPath   string                       `json:"componentPath"`
	Args            map[string]any               `json:"args"`
	ChildComponents map[string]*checkedComponent `json:"childComponents"`
	HTTPRoutes      checkedHTTPRoutes            `json:"httpRoutes"`
	Exports         map[string]any               `json:"exports"`
}

type checkedHTTPRoutes struct {
	HTTPModuleRoutes []any    `json:"httpModuleRoutes"` // null without http.js
	Mounts           []string `json:"mounts"`
}

func convexBytes(data []byte) any {
	return map[string]string{"$bytes": base64.StdEncoding.EncodeToString(data)}
}

func convexInteger(n int64) any {
	return map[string]string{"$integer": base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, uint64(n)))}
}

func packageAnswer(p state.Package, nodeVersion *string) sourcePackage {
	size := 0
	sum := []byte{}
	for _, module := range p.Modules {
		size += module.Bytes
	}
	if digest, err := hex.DecodeString(p.SHA256); err == nil {
		sum = digest
	}
	return sourcePackage{
		StorageKey: p.Key, SHA256: convexBytes(sum), NodeVersion: nodeVersion,
		PackageSize: packageSize{convexInteger(int64(size)), convexInteger(int64(size))},
	}
}

func udfConfigAnswer(version string, now time.Time) udfConfig {
	return udfConfig{version, convexBytes(make([]byte, 32)), convexInteger(now.UnixNano())}
}

func schemaAnswer(tables []bundle.Table) *analyzedSchema {
	answer := &analyzedSchema{Tables: []analyzedTable{}, SchemaValidation: true}
	for _, table := range tables {
		described := analyzedTable{
			TableName: table.Name, Indexes: []analyzedIndex{}, SearchIndexes: []analyzedIndex{}, VectorIndexes: []analyzedIndex{},
			DocumentType: map[string]string{"type": "any"},
		}
		for _, index := range table.Indexes {
			described.add(index)
		}
		answer.Tables = append(answer.Tables, described)
	}
	return answer
}

func (t *analyzedTable) add(index bundle.Index) {
	_, name, _ := strings.Cut(index.Name, ".")
	switch index.Type {
	case "search":
		t.SearchIndexes = append(t.SearchIndexes, analyzedIndex{Descriptor: name, SearchField: index.SearchField, FilterFields: bundle.NotNil(index.FilterFields)})
	case "vector":
		t.VectorIndexes = append(t.VectorIndexes, analyzedIndex{Descriptor: name, VectorField: index.VectorField, Dimensions: index.Dimensions, FilterFields: bundle.NotNil(index.FilterFields)})
	default:
		t.Indexes = append(t.Indexes, analyzedIndex{Descriptor: name, Fields: index.Fields})
	}
}
