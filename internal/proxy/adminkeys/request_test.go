package adminkeys

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAdminRequest(t *testing.T) {
	for _, tt := range []struct {
		query         string
		authorization []string
		want          bool
	}{
		{"", nil, false},
		{"", []string{"Convex x|1"}, true},
		{"", []string{"convex x|1"}, true},
		{"", []string{"CONVEX "}, true},
		{"", []string{"Convex"}, false},
		{"", []string{"Bearer x"}, false},
		{"", []string{"Bearer x", "Convex x|1"}, true},
		{"adminKey=x", nil, true},
		{"adminKey", nil, true},
		{"a=b&%61dmin%4bey=x", nil, true},
		{"adminKey=x", []string{"Bearer x"}, true},
		{"adminkey=x", nil, false},
		{"a=adminKey", nil, false},
		{"adminKey%=x", nil, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/query", nil)
		r.URL.RawQuery = tt.query
		r.Header["Authorization"] = tt.authorization
		if got := (Request{}).Match(r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
