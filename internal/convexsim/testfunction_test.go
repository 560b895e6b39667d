package convexsim_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

func TestACustomQueryHasItsKeyInTheBody(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	// As the dashboard sends it (dashboard-common/src/features/functionRunner/lib/client.ts).
	request := object{
		"bundle": object{"path": "testQuery.js", "source": "export default 1"}, "adminKey": s.AdminKey(),
		"args": object{}, "format": "convex_encoded_json",
	}
	ask := func(changes object, edits ...edit) answered {
		body := maps.Clone(request)
		maps.Copy(body, changes)
		maps.DeleteFunc(body, func(_ string, value any) bool { return value == nil })
		return call(t, s, http.MethodPost, "/api/run_test_function", body, append(edits, noKey)...)
	}
	if got := ask(nil); got.status != 200 || !strings.Contains(got.body, convexsim.NotRun) || !strings.Contains(got.body, `"status":"error"`) {
		t.Errorf("a good key: %+v", got)
	}
	wantFailure(t, "a wrong key", ask(object{"adminKey": "carnitas|01"}), 401, "BadAdminKey")
	for _, field := range []string{"adminKey", "bundle", "args", "format"} {
		wantFailure(t, "without "+field, ask(object{field: nil}), 400, "BadJsonBody")
	}
}
