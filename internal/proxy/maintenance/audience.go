package maintenance

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
)

// audience is who reads the answer.
type audience int

const (
	program audience = iota // wants JSON, or does not say
	browser                 // a person, who navigates
	socket                  // a WebSocket handshake: only the status arrives
)

func audienceOf(r *http.Request) audience {
	switch {
	case exchange.IsWebSocket(r):
		return socket
	case navigates(r):
		return browser
	default:
		return program
	}
}

// navigates tells a page load from a script's request for HTML. Browsers say
// which it is in Sec-Fetch-Mode; without it, Accept decides.
func navigates(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	html := quality(r.Header["Accept"], "text/html")
	return html > 0 && html >= quality(r.Header["Accept"], "application/json")
}

// quality returns the weight that an Accept header gives a media type by name; zero if
// it does not name it. Wildcards do not count: scripts send them.
func quality(accept []string, mediaType string) float64 {
	for _, value := range accept {
		for part := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return weight(params)
			}
		}
	}
	return 0
}

func weight(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}
