package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// everything returns the requests in their order: later ones build on what earlier
// ones have changed. push is the body of a push request.
func everything(push string) []request {
	return slices.Concat(probes(), doors(), variables(), pushing(push), systemQueries(), functions(), files(), siteRequests(), sockets(), pausing(), elsewhere())
}

var (
	asAdmin    = map[string]string{"Authorization": "Convex @{key}"}
	asStranger = map[string]string{"Authorization": "Convex @{strange}"}
	origin     = map[string]string{"Origin": "https://app.example"}
	preflight  = map[string]string{
		"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,convex-client",
	}
)

func probes() (list []request) {
	add := func(name, method, path string, header map[string]string, body string) {
		list = append(list, request{area: "probes", name: name, method: method, path: path, header: header, body: body})
	}
	for _, path := range []string{"/", "/version", "/instance_version", "/instance_name"} {
		add("GET "+path, http.MethodGet, path, nil, "")
		add("HEAD "+path, http.MethodHead, path, nil, "")
		add("PUT "+path, http.MethodPut, path, nil, "")
		add("GET from elsewhere "+path, http.MethodGet, path, origin, "")
	}
	add("echo", http.MethodPost, "/echo", nil, `{"any": "thing"}`)
	add("GET /echo", http.MethodGet, "/echo", nil, "")
	for _, path := range []string{"/nothing", "//version", "/version/", "/Version", "/api", "/api/", "/api/nothing", "/api/v1/nothing", "/api/deploy2/nothing", "/%2e%2e/version"} {
		add("no route "+path, http.MethodGet, path, nil, "")
	}
	for _, path := range []string{"/version", "/api/query", "/api/list_environment_variables", "/api/nothing", "/api/storage/upload"} {
		add("preflight "+path, http.MethodOptions, path, preflight, "")
	}
	return list
}

// door is a route that wants a key: in the header, or in the body for @{given}.
type door struct {
	method, path, body string
}

func (d door) keyInBody() bool { return strings.Contains(d.body, "@{given}") }

// doors tries each guarded route with what opens none.
func doors() (list []request) {
	keys := map[string]string{"no key": "", "a word for a key": "secret", "a key of another instance": "@{strange}", "half a key": "@{instance}|", "a bar": "|"}
	for _, d := range []door{
		{http.MethodGet, "/api/check_admin_key", ""},
		{http.MethodGet, "/api/list_environment_variables", ""},
		{http.MethodGet, "/api/v1/list_environment_variables", ""},
		{http.MethodPost, "/api/update_environment_variables", `{"changes":[]}`},
		{http.MethodPost, "/api/v1/update_environment_variables", `{"changes":[]}`},
		{http.MethodPost, "/api/v1/pause_deployment", ""},
		{http.MethodPost, "/api/v1/unpause_deployment", ""},
		{http.MethodGet, "/api/v1/get_canonical_urls", ""},
		{http.MethodPost, "/api/get_config_hashes", `{"version":"1.48.0","adminKey":"@{given}"}`},
		{http.MethodPost, "/api/deploy2/wait_for_schema", `{"adminKey":"@{given}","schemaChange":{"allocatedComponentIds":{},"schemaIds":{},"indexDiffs":{}}}`},
		{http.MethodPost, "/api/deploy2/report_push_completed", `{"adminKey":"@{given}","spans":[]}`},
		{http.MethodPost, "/api/function", `{"path":"entries:get","args":{}}`},
		{http.MethodPost, "/api/actions/query", `{}`},
	} {
		try := func(name, method, key, body string) {
			r := request{area: "doors", name: name + " at " + d.path, method: method, path: d.path, body: strings.ReplaceAll(body, "@{given}", key)}
			if key != "" && !d.keyInBody() {
				r.header = with(nil, "Authorization", "Convex "+key)
			}
			list = append(list, r)
		}
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			try(name, d.method, keys[name], d.body)
		}
		try("another method", http.MethodDelete, "@{key}", "")
		if d.body != "" {
			try("broken JSON", d.method, "@{key}", `{"a":`)
			try("a list", d.method, "@{key}", `[]`)
			try("no body", d.method, "@{key}", "")
			list = append(list, request{area: "doors", name: "plain text at " + d.path, method: d.method, path: d.path, body: "text", header: with(asAdmin, "Content-Type", "text/plain")})
		}
	}
	return append(list,
		request{area: "doors", name: "another scheme", path: "/api/check_admin_key", header: with(nil, "Authorization", "Basic @{key}")},
		request{area: "doors", name: "the right key", path: "/api/check_admin_key", header: asAdmin},
		request{area: "doors", name: "the right key as Bearer", path: "/api/check_admin_key", header: with(nil, "Authorization", "Bearer @{key}")})
}

func variables() (list []request) {
	for i, changes := range []string{
		`{"name":"SITE_URL","value":"http://localhost"}`,
		`{"name":"ONE","value":"1"},{"name":"TWO","value":"two\nlines, “quoted” $x"}`,
		`{"name":"ONE","value":"1"}`, `{"name":"ONE","value":"other"}`, `{"name":"EMPTY","value":""}`,
		`{"name":"TWO"}`, `{"name":"TWO","value":null}`, `{"name":"NEVER","value":null}`,
		`{"name":"ONE","value":"a"},{"name":"ONE","value":"b"}`, `{"name":"ONE","value":1}`, `{"value":"nameless"}`, `{"name":"","value":"x"}`,
		`{"name":"1ST","value":"x"}`, `{"name":"with space","value":"x"}`, `{"name":"MINUS-","value":"x"}`, `{"name":"ÜMLAUT","value":"x"}`, `{"name":"_UNDER","value":"x"}`,
		`{"name":"CONVEX_CLOUD_URL","value":"x"}`, `{"name":"` + strings.Repeat("N", 41) + `","value":"x"}`, `{"name":"LONG","value":"` + strings.Repeat("v", 8193) + `"}`,
		`{"name":"BOTH","oldName":"ONE","value":"x"}`,
	} {
		list = append(list, request{area: "variables", name: fmt.Sprintf("change %d: %.60s", i, changes), method: http.MethodPost, path: "/api/update_environment_variables", header: asAdmin, body: `{"changes":[` + changes + `]}`})
	}
	return append(list,
		request{area: "variables", name: "list", path: "/api/list_environment_variables", header: asAdmin},
		request{area: "variables", name: "list, version 1", path: "/api/v1/list_environment_variables", header: asAdmin},
		query("variables", "as the CLI lists them", "_system/cli/queryEnvironmentVariables:default", `{}`, asAdmin),
		query("variables", "one", "_system/cli/queryEnvironmentVariables:get", `{"name":"ONE"}`, asAdmin),
		query("variables", "one that is not there", "_system/cli/queryEnvironmentVariables:get", `{"name":"NEVER"}`, asAdmin),
		query("variables", "a built-in one", "_system/cli/queryEnvironmentVariables:get", `{"name":"CONVEX_CLOUD_URL"}`, asAdmin),
		query("variables", "as a stranger", "_system/cli/queryEnvironmentVariables:default", `{}`, asStranger),
		query("variables", "without a key", "_system/cli/queryEnvironmentVariables:default", `{}`, nil))
}

func query(area, name, path, args string, header map[string]string) request {
	return call(area, name, "query", path, args, header)
}

func call(area, name, kind, path, args string, header map[string]string) request {
	return request{area: area, name: name, method: http.MethodPost, path: "/api/" + kind, header: header, body: fmt.Sprintf(`{"path":%s,"args":%s,"format":"json"}`, asJSON(path), args)}
}

// pushing does what a deploy does, and what a broken one does.
func pushing(push string) []request {
	post := func(name, path, body string, save map[string]string) request {
		return request{area: "push", name: name, method: http.MethodPost, path: path, body: body, save: save}
	}
	hashes := `{"version":"1.48.0","adminKey":"@{key}"}`
	return []request{
		post("hashes before", "/api/get_config_hashes", hashes, nil),
		post("functions before", "/api/query", `{"path":"entries:list","args":{},"format":"json"}`, nil),
		post("dry run", "/api/deploy2/start_push", strings.Replace(push, `"dryRun":false`, `"dryRun":true`, 1), nil),
		post("evaluate", "/api/deploy2/evaluate_push", push, nil),
		post("without an app", "/api/deploy2/start_push", `{"adminKey":"@{key}","dryRun":false,"functions":"convex/"}`, nil),
		post("source that is none", "/api/deploy2/start_push", `{"adminKey":"@{key}","dryRun":false,"functions":"convex/","appDefinition":{"definition":null,"dependencies":[],"schema":null,"changedModules":[{"path":"a.js","source":"export const = 1","environment":"isolate"}],"unchangedModuleHashes":[],"udfServerVersion":"1.48.0"},"componentDefinitions":[],"nodeDependencies":[]}`, nil),
		post("a module that throws", "/api/deploy2/start_push", `{"adminKey":"@{key}","dryRun":false,"functions":"convex/","appDefinition":{"definition":null,"dependencies":[],"schema":null,"changedModules":[{"path":"a.js","source":"throw new Error('on purpose')","environment":"isolate"}],"unchangedModuleHashes":[],"udfServerVersion":"1.48.0"},"componentDefinitions":[],"nodeDependencies":[]}`, nil),
		post("unknown hashes", "/api/deploy2/start_push", `{"adminKey":"@{key}","dryRun":false,"functions":"convex/","appDefinition":{"definition":null,"dependencies":[],"schema":null,"changedModules":[],"unchangedModuleHashes":[{"path":"a.js","environment":"isolate","sha256":"`+strings.Repeat("0", 64)+`"}],"udfServerVersion":"1.48.0"},"componentDefinitions":[],"nodeDependencies":[]}`, nil),
		post("a client that is too old", "/api/deploy2/start_push", `{"adminKey":"@{key}","dryRun":false,"functions":"convex/","appDefinition":{"definition":null,"dependencies":[],"schema":null,"changedModules":[],"unchangedModuleHashes":[],"udfServerVersion":"0.1.0"},"componentDefinitions":[],"nodeDependencies":[]}`, nil),
		post("start", "/api/deploy2/start_push", push, map[string]string{"start": "", "change": "schemaChange"}),
		post("schema", "/api/deploy2/wait_for_schema", `{"adminKey":"@{key}","schemaChange":@{change},"timeoutMs":60000}`, nil),
		post("finish", "/api/deploy2/finish_push", `{"adminKey":"@{key}","startPush":@{start},"dryRun":false}`, nil),
		post("finish again", "/api/deploy2/finish_push", `{"adminKey":"@{key}","startPush":@{start},"dryRun":false}`, nil),
		post("finish nothing", "/api/deploy2/finish_push", `{"adminKey":"@{key}","startPush":{},"dryRun":false}`, nil),
		post("report", "/api/deploy2/report_push_completed", `{"adminKey":"@{key}","spans":[]}`, nil),
		post("hashes after", "/api/get_config_hashes", hashes, nil),
		post("the same again", "/api/deploy2/start_push", push, nil),
	}
}

// systemQueries returns what the command line client and the dashboard ask the
// backend's own functions.
func systemQueries() (list []request) {
	page := `"paginationOpts":{"numItems":10,"cursor":null}`
	for _, q := range [][2]string{
		{"_system/cli/modules:apiSpec", `{}`}, {"_system/cli/tables:default", `{` + page + `}`}, {"_system/cli/tableSize:default", `{"tableName":"entries"}`},
		{"_system/cli/tableData:default", `{"table":"entries","order":"asc",` + page + `}`}, {"_system/cli/convexUrl:cloudUrl", `{}`}, {"_system/cli/convexUrl:siteUrl", `{}`},
		{"_system/frontend/deploymentEvents:lastPushEvent", `{}`}, {"_system/frontend/components:list", `{}`}, {"_system/frontend/getSchemas:default", `{"componentId":null}`},
		{"_system/frontend/indexes:default", `{"tableName":"entries","tableNamespace":null}`}, {"_system/frontend/deploymentState:deploymentState", `{}`},
		{"_system/frontend/listCronJobs:default", `{"componentId":null}`}, {"_system/frontend/getVersion:default", `{}`}, {"_system/frontend/tableSize:default", `{"tableName":"entries","componentId":null}`},
		{"_system/frontend/modules:list", `{"componentId":null}`}, {"_system/frontend/fileStorageV2:numFiles", `{"componentId":null}`},
		{"_system/frontend/paginatedTableDocuments:default", `{` + page + `,"table":"entries","filters":null,"componentId":null}`},
		{"_system/frontend/nothing:default", `{}`}, {"_system/cli/tables:nothing", `{}`},
	} {
		list = append(list, query("system", q[0], q[0], q[1], asAdmin))
	}
	return append(list, query("system", "without a key", "_system/cli/modules:apiSpec", `{}`, nil), query("system", "as a stranger", "_system/frontend/components:list", `{}`, asStranger))
}

// functions calls the guestbook's.
func functions() (list []request) {
	add := func(name, kind, path, args string, header map[string]string) *request {
		list = append(list, call("functions", name, kind, path, args, header))
		return &list[len(list)-1]
	}
	entry := func(message, visitor string) string {
		return fmt.Sprintf(`{"author":"Ada","message":%s,"mood":"curious","visitor":%s}`, asJSON(message), asJSON(visitor))
	}
	add("an empty list", "query", "entries:list", `{}`, nil)
	add("sign", "mutation", "entries:sign", entry("a first entry about compilers", "one"), nil).save = map[string]string{"entry": "value"}
	add("the list", "query", "entries:list", `{}`, nil)
	add("by mood", "query", "entries:list", `{"mood":"curious"}`, nil)
	add("by another mood", "query", "entries:list", `{"mood":"delighted"}`, nil)
	add("search", "query", "entries:search", `{"words":"compilers"}`, nil)
	add("search in vain", "query", "entries:search", `{"words":"zebra"}`, nil)
	add("cheer", "mutation", "entries:toggleCheer", `{"entryId":"@{entry}","visitor":"one"}`, nil)
	add("cheers are counted", "query", "entries:list", `{}`, nil)
	add("cheer for nothing", "mutation", "entries:toggleCheer", `{"entryId":"nothing","visitor":"one"}`, nil)
	add("similar", "action", "embeddings:similar", `{"text":"compilers"}`, nil)
	for _, n := range []string{"two", "three", "four"} {
		add("sign often: "+n, "mutation", "entries:sign", entry("entry "+n, "one"), nil)
	}
	add("a long message", "mutation", "entries:sign", entry(strings.Repeat("x", 501), "long"), nil)
	for name, args := range ordered(map[string]string{
		"a missing argument": `{"author":"Ada"}`, "one too many": `{"author":"A","message":"m","mood":"curious","visitor":"v","more":1}`,
		"another type": `{"author":1,"message":"m","mood":"curious","visitor":"v"}`, "another literal": `{"author":"A","message":"m","mood":"bored","visitor":"v"}`,
		"null": `null`, "a list of one": `[{}]`, "two arguments": `[{},{}]`, "a number": `1`, "a dollar field": `{"$a":1}`,
	}) {
		add("sign with "+name, "mutation", "entries:sign", args, nil)
	}
	for _, path := range []string{"entries:nothing", "nothing:list", "entries", "entries.js:list", "entries:list:more", "", ":", "../entries:list", "_system/x:y", "schema:default", "http:default"} {
		add("path "+asJSON(path), "query", path, `{}`, nil)
	}
	add("a mutation as a query", "query", "entries:sign", entry("m", "kind"), nil)
	add("a query as a mutation", "mutation", "entries:list", `{}`, nil)
	add("an action as a query", "query", "embeddings:similar", `{"text":"a"}`, nil)
	add("internal, without a key", "query", "entries:get", `{"entryId":"@{entry}"}`, nil)
	add("internal, as an admin", "query", "entries:get", `{"entryId":"@{entry}"}`, asAdmin)
	add("internal, by function", "function", "migrations:runAll", `{}`, asAdmin)
	add("a query by function", "function", "entries:list", `{}`, asAdmin)
	add("nothing by function", "function", "nothing:at", `{}`, asAdmin)
	add("a function of a component", "function", "rateLimiter/lib:getServerTime", `{}`, asAdmin)
	for _, format := range []string{`"convex_encoded_json"`, `"nonsense"`, `null`, `1`} {
		list = append(list, request{area: "functions", name: "format " + format, method: http.MethodPost, path: "/api/query", body: `{"path":"entries:list","args":{},"format":` + format + `}`})
	}
	return append(list,
		request{area: "functions", name: "no args", method: http.MethodPost, path: "/api/query", body: `{"path":"entries:list"}`},
		request{area: "functions", name: "query by GET", path: "/api/query?path=entries:list&args=%7B%7D&format=json"},
		request{area: "functions", name: "query by GET without args", path: "/api/query?path=entries:list"},
		request{area: "functions", name: "run", method: http.MethodPost, path: "/api/run/entries/list", body: `{"args":{},"format":"json"}`},
		request{area: "functions", name: "run nothing", method: http.MethodPost, path: "/api/run/nothing/list", body: `{"args":{},"format":"json"}`},
		request{area: "functions", name: "a timestamp", method: http.MethodPost, path: "/api/query_ts", save: map[string]string{"ts": "ts"}},
		request{area: "functions", name: "at a timestamp", method: http.MethodPost, path: "/api/query_at_ts", body: `{"path":"entries:list","args":{},"ts":"@{ts}","format":"json"}`},
		request{area: "functions", name: "a batch", method: http.MethodPost, path: "/api/query_batch", body: `{"queries":[{"path":"entries:list","args":{}},{"path":"entries:search","args":{"words":"entry"}}]}`},
		request{area: "functions", name: "a test function", method: http.MethodPost, path: "/api/run_test_function", body: `{"adminKey":"@{key}","args":{},"bundle":{"path":"testQuery.js","source":"import { query } from \"convex:/_system/repl/wrappers.js\"; export default query({ handler: async (ctx) => 1 + 1 });","environment":"isolate"},"format":"json"}`},
		request{area: "functions", name: "function logs", path: "/api/stream_function_logs?cursor=0", header: asAdmin})
}

func files() []request {
	upload := request{area: "files", method: http.MethodPost, path: "/api/storage/upload?token=nonsense", body: "hello"}
	named := func(name string, change func(*request)) request {
		r := upload
		r.name = name
		change(&r)
		return r
	}
	get := func(name string, header map[string]string) request {
		return request{area: "files", name: name, path: "@{url}", header: header}
	}
	makeURL := call("files", "a URL for an upload", "mutation", "_system/frontend/fileStorageV2:generateUploadUrl", `{"componentId":null}`, asAdmin)
	makeURL.save = map[string]string{"upload": "value"}
	described := query("files", "what the dashboard says of it", "_system/frontend/fileStorageV2:getFile", `{"storageId":"@{file}","componentId":null}`, asAdmin)
	described.save = map[string]string{"url": "value.url"}
	return []request{
		named("upload with a wrong token", func(*request) {}),
		named("upload without a token", func(r *request) { r.path = "/api/storage/upload" }),
		makeURL,
		named("upload", func(r *request) {
			r.path, r.header, r.save = "@{upload}", with(nil, "Content-Type", "text/plain"), map[string]string{"file": "storageId"}
		}),
		described, get("download", nil), get("a part", with(nil, "Range", "bytes=1-3")), get("a part that is not there", with(nil, "Range", "bytes=10-20")), get("from elsewhere", origin),
		{area: "files", name: "HEAD", method: http.MethodHead, path: "@{url}"},
		{area: "files", name: "DELETE", method: http.MethodDelete, path: "@{url}"},
		{area: "files", name: "nothing", path: "/api/storage/00000000-0000-4000-8000-000000000000"},
		{area: "files", name: "no identifier", path: "/api/storage/nothing"},
		named("upload with another digest", func(r *request) {
			r.path, r.header = "@{upload}", with(nil, "Digest", "sha-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		}),
		{area: "files", name: "by its document's identifier", path: "/api/storage/@{file}"},
	}
}

func siteRequests() (list []request) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodDelete} {
		for _, path := range []string{"/api/guestbook", "/nothing"} {
			list = append(list,
				request{area: "site", name: method + " " + path, method: method, path: path, site: true},
				request{area: "site", name: method + " /http" + path, method: method, path: "/http" + path})
		}
	}
	return append(list, request{area: "site", name: "root", path: "/", site: true}, request{area: "site", name: "from elsewhere", path: "/api/guestbook", site: true, header: origin})
}

func pausing() []request {
	post := func(name, path string) request {
		return request{area: "paused", name: name, method: http.MethodPost, path: path, header: asAdmin}
	}
	return []request{
		post("pause", "/api/v1/pause_deployment"), post("pause again", "/api/v1/pause_deployment"),
		query("paused", "state", "_system/frontend/deploymentState:deploymentState", `{}`, asAdmin),
		query("paused", "query", "entries:list", `{}`, nil), query("paused", "query as an admin", "entries:list", `{}`, asAdmin),
		call("paused", "mutation", "mutation", "entries:toggleCheer", `{"entryId":"@{entry}","visitor":"p"}`, nil), call("paused", "action", "action", "embeddings:similar", `{"text":"a"}`, nil),
		{area: "paused", name: "HTTP action", path: "/api/guestbook", site: true},
		{area: "paused", name: "socket", path: socketPath, frames: []frame{{hello, nil}, {subscribe(0, 1, 0, "entries:list", `{}`), []string{"Transition"}}}},
		post("go on", "/api/v1/unpause_deployment"), post("go on again", "/api/v1/unpause_deployment"),
		query("paused", "query afterwards", "entries:list", `{}`, nil),
	}
}

// elsewhere returns routes of the backend (crates/local_backend/src/router.rs) that a
// deploy does not use.
func elsewhere() (list []request) {
	for _, path := range []string{
		"/api/shapes2", "/api/get_indexes", "/api/dashboard_openapi.json", "/api/public_openapi.json", "/api/v1/openapi.json", "/api/v1/deployment_info", "/api/v1/list_log_streams", "/api/v1/get_current_usage", "/api/v1/list_usage_limits",
		"/api/json_schemas", "/api/list_snapshot", "/api/document_deltas", "/api/get_table_column_names", "/api/test_streaming_export_connection", "/api/streaming_import/get_schema", "/api/export/zip/1", "/api/app_metrics/udf_rate", "/api/app_metrics/latency_percentiles", "/metrics",
	} {
		list = append(list, request{area: "elsewhere", name: "GET " + path, path: path, header: asAdmin})
	}
	for _, path := range []string{"/api/get_config", "/api/push_config", "/api/prepare_schema", "/api/import/start_upload", "/api/cancel_all_jobs", "/api/export/request/zip", "/api/update_canonical_url", "/api/deploy2/evaluate_schema"} {
		list = append(list, request{area: "elsewhere", name: "POST " + path, method: http.MethodPost, path: path, body: `{}`})
	}
	return list
}
