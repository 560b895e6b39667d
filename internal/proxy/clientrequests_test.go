package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
)

// clientRequest is a request as a client of the deployment sends it, and where it
// must go.
type clientRequest struct {
	method, target string
	key            string // the Authorization header
	on             routes.Upstream
	uri            string // "" for the target as it was sent
	gated          bool   // only for DASHBOARD_ALLOW
}

const (
	adminKey = "Convex tale_platform|0123"
	asUser   = "Convex tale_platform|0123:eyJzdWJqZWN0IjoieCJ9"
)

// dashboardRequests are all that the self-hosted dashboard sends to its deployment URL
// (convex-backend, npm-packages/dashboard-common and dashboard-self-hosted, at
// 5f66740a and 94a42c3d; what only one of them sends is marked). What goes to
// version and package registries is left out, and so is what it asks of deployments
// that the command line runs ("/instance_name" for names with "local-",
// "/api/current_deployment").
var dashboardRequests = []clientRequest{
	{"GET", "/api/check_admin_key", adminKey, routes.Backend, "", true},
	{"GET", "/api/shapes2?component=null", adminKey, routes.Backend, "", true},
	{"POST", "/api/delete_tables", adminKey, routes.Backend, "", true},
	{"POST", "/api/delete_component", adminKey, routes.Backend, "", true},
	{"POST", "/api/cancel_all_jobs", adminKey, routes.Backend, "", true},
	{"POST", "/api/cancel_job", adminKey, routes.Backend, "", true},
	{"POST", "/api/delete_scheduled_functions_table", adminKey, routes.Backend, "", true},
	{"POST", "/api/update_environment_variables", adminKey, routes.Backend, "", true},
	{"POST", "/api/change_deployment_state", adminKey, routes.Backend, "", true},              // 5f66740a
	{"GET", "/api/get_source_code?path=a.js&component=x", adminKey, routes.Backend, "", true}, // 5f66740a
	{"POST", "/api/run_test_function", "", routes.Backend, "", true},
	{"GET", "/api/app_metrics/stream_function_logs?cursor=0&clientRequestCounter=1&sessionId=a", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/udf_rate?path=a.js&window=%7B%22start%22%3A1%7D", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/table_rate?name=a&metric=reads&window=%7B%7D", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/latency_percentiles?percentiles=%5B50%5D", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/cache_hit_percentage_top_k?k=3", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/failure_percentage_top_k?k=3", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/function_call_count_top_k?k=3", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/subscription_invalidations_top_k?k=3", adminKey, routes.Backend, "", true}, // 94a42c3d
	{"GET", "/api/app_metrics/scheduled_job_lag?window=%7B%7D", adminKey, routes.Backend, "", true},
	{"GET", "/api/app_metrics/function_concurrency?window=%7B%7D", adminKey, routes.Backend, "", true},
	{"POST", "/api/v1/pause_deployment", adminKey, routes.Backend, "", true},       // 94a42c3d
	{"POST", "/api/v1/unpause_deployment", adminKey, routes.Backend, "", true},     // 94a42c3d
	{"GET", "/api/v1/list_usage_limits", adminKey, routes.Backend, "", true},       // 94a42c3d
	{"GET", "/api/v1/get_current_usage", adminKey, routes.Backend, "", true},       // 94a42c3d
	{"POST", "/api/v1/create_usage_limit", adminKey, routes.Backend, "", true},     // 94a42c3d
	{"POST", "/api/v1/update_usage_limit/abc", adminKey, routes.Backend, "", true}, // 94a42c3d
	{"POST", "/api/v1/delete_usage_limit/abc", adminKey, routes.Backend, "", true}, // 94a42c3d
	{"POST", "/api/v1/create_log_stream", adminKey, routes.Backend, "", true},
	{"POST", "/api/v1/update_log_stream/abc", adminKey, routes.Backend, "", true},
	{"POST", "/api/v1/delete_log_stream/abc", adminKey, routes.Backend, "", true},
	{"POST", "/api/v1/rotate_webhook_secret/abc", adminKey, routes.Backend, "", true},

	// The upload URL comes from the backend and has a token of its own.
	{"POST", "/api/storage/upload?token=0123", "", routes.Backend, "", false},
	{"GET", "/api/storage/0b5a?component=x", "", routes.Backend, "", false},
	// Whether the deployment can be reached at all (5f66740a).
	{"HEAD", "/", "", routes.Platform, "", false},
	// A report of a long disconnection, without a key: nothing sets it apart from a
	// request to an HTTP action, and nobody misses it.
	{"POST", "/api/debug_event", "", routes.Backend, "/http/api/debug_event", false},
}

// cliRequests are all that the command line sends to a self-hosted deployment (npm
// convex 1.48.0 and 1.49.0, src/cli: run, data, env, import, export, logs, codegen,
// deploy, function-spec, mcp, usage limits). Left out is network-test, which asks /instance_name
// and /echo: they belong to the application here.
var cliRequests = []clientRequest{
	{"POST", "/api/query", adminKey, routes.Backend, "", true}, // data, env list, import
	{"POST", "/api/query", asUser, routes.Backend, "", true},   // run --identity
	{"POST", "/api/mutation", adminKey, routes.Backend, "", true},
	{"POST", "/api/action", adminKey, routes.Backend, "", true},
	{"POST", "/api/function", adminKey, routes.Backend, "", true}, // run
	{"POST", "/api/run_test_function", adminKey, routes.Backend, "", true},
	{"GET", "/api/shapes2", adminKey, routes.Backend, "", true},
	{"POST", "/api/update_environment_variables", adminKey, routes.Backend, "", true},
	{"GET", "/api/stream_function_logs?cursor=1", adminKey, routes.Backend, "", true},
	{"POST", "/api/import/start_upload", adminKey, routes.Backend, "", true},
	{"POST", "/api/import/upload_part?uploadToken=a%2Fb&partNumber=1", adminKey, routes.Backend, "", true},
	{"POST", "/api/import/finish_upload", adminKey, routes.Backend, "", true},
	{"POST", "/api/perform_import", adminKey, routes.Backend, "", true},
	{"POST", "/api/export/request/zip?includeStorage=true", adminKey, routes.Backend, "", true},
	{"GET", "/api/export/zip/1750000000000000000", adminKey, routes.Backend, "", true},
	{"POST", "/api/get_config_hashes", adminKey, routes.Backend, "", true},
	{"POST", "/api/push_config", adminKey, routes.Backend, "", true},
	{"POST", "/api/deploy2/start_push", adminKey, routes.Backend, "", true},
	{"POST", "/api/deploy2/evaluate_push", adminKey, routes.Backend, "", true},
	{"POST", "/api/deploy2/evaluate_schema", adminKey, routes.Backend, "", true},
	{"POST", "/api/deploy2/wait_for_schema", adminKey, routes.Backend, "", true},
	{"POST", "/api/deploy2/finish_push", adminKey, routes.Backend, "", true},
	{"POST", "/api/deploy2/report_push_completed", adminKey, routes.Backend, "", true},
	{"GET", "/api/v1/get_canonical_urls", adminKey, routes.Backend, "", true},
	{"GET", "/api/v1/list_usage_limits", adminKey, routes.Backend, "", true},
	{"GET", "/api/v1/get_current_usage", adminKey, routes.Backend, "", true},
	{"POST", "/api/v1/create_usage_limit", adminKey, routes.Backend, "", true},
}

// TestRequestsOfDashboardAndCommandLine sends them from inside and from outside of
// DASHBOARD_ALLOW.
func TestRequestsOfDashboardAndCommandLine(t *testing.T) {
	all := append(dashboardRequests, cliRequests...)
	for allow, inside := range map[string]bool{"": true, "127.0.0.1": true, "192.0.2.7": false} {
		t.Run("allow "+allow, func(t *testing.T) {
			p := start(t, config.Environ{"DASHBOARD_ALLOW": allow, "TLS_MODE": "external", "TRUSTED_PROXIES": "none"})
			for _, r := range all {
				p.checkClientRequest(r, inside)
			}
			p.checkSyncOfDashboard(inside)
		})
	}
}

func (p *running) checkClientRequest(r clientRequest, inside bool) {
	p.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	if r.key != "" {
		header.Set("Authorization", r.key)
	}
	const body = `{"adminKey":"tale_platform|0123"}`
	response := p.send(r.method, r.target, header, strings.NewReader(body))
	if r.gated && !inside {
		if response.StatusCode != http.StatusForbidden {
			p.Errorf("from outside, %s %s: %d, want 403", r.method, r.target, response.StatusCode)
		}
		return
	}
	if r.method == http.MethodHead { // the echo's words are lost
		if response.StatusCode != http.StatusOK {
			p.Errorf("%s %s: %d", r.method, r.target, response.StatusCode)
		}
		return
	}
	want := seen{On: string(r.on), Method: r.method, URI: r.uri, Bytes: int64(len(body))}
	if want.URI == "" {
		want.URI = r.target
	}
	got := echoed(p.T, response)
	if got.On != want.On || got.Method != want.Method || got.URI != want.URI || got.Bytes != want.Bytes || got.Header.Get("Authorization") != r.key {
		p.Errorf("%s %s: %d from %+v, want %+v with %q", r.method, r.target, response.StatusCode, got, want, r.key)
	}
}

// checkSyncOfDashboard opens the socket over which the dashboard and the watching
// commands of the CLI do most of their work.
func (p *running) checkSyncOfDashboard(inside bool) {
	p.Helper()
	response := p.raw("GET /api/1.49.0/sync HTTP/1.1\nHost: " + siteName + "\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n")
	want := http.StatusSwitchingProtocols
	if !inside {
		want = http.StatusForbidden
	}
	if response.StatusCode != want {
		p.Errorf("the sync socket: %d, want %d", response.StatusCode, want)
	}
}
