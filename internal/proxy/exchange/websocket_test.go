package exchange

import (
	"net/http"
	"testing"
)

func TestIsWebSocket(t *testing.T) {
	upgrade := func(values ...string) *http.Request {
		return &http.Request{Method: http.MethodGet, ProtoMajor: 1, Header: http.Header{"Upgrade": values}}
	}
	connect := func(major int, proto, pseudo string) *http.Request {
		return &http.Request{Method: http.MethodConnect, ProtoMajor: major, Proto: proto, Header: http.Header{":protocol": {pseudo}}}
	}
	for name, tt := range map[string]struct {
		request *http.Request
		want    bool
	}{
		"nothing asked":          {upgrade(), false},
		"in any letter case":     {upgrade("WebSocket"), true},
		"another protocol":       {upgrade("h2c"), false},
		"two protocols":          {upgrade("websocket, h2c"), false},
		"two headers":            {upgrade("websocket", "h2c"), false},
		"HTTP/2":                 {connect(2, "HTTP/2.0", "websocket"), true},
		"HTTP/2, another":        {connect(2, "HTTP/2.0", "connect-udp"), false},
		"HTTP/3":                 {connect(3, "websocket", ""), true},
		"HTTP/3, another":        {connect(3, "connect-udp", ""), false},
		"HTTP/1 that pretends":   {connect(1, "HTTP/1.1", "websocket"), false},
		"HTTP/2 in HTTP/3's way": {connect(2, "websocket", ""), false},
	} {
		if got := IsWebSocket(tt.request); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
