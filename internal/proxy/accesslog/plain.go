package accesslog

import (
	"fmt"
	"strings"
)

// plain returns a part of a request as text that is nothing more to a terminal or to a
// reader of the log: what is no visible character of ASCII is escaped, as URLs have it.
func plain(text string) string {
	var out strings.Builder // stays empty while there is nothing to escape
	done := 0
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			fmt.Fprintf(&out, "%s%%%02X", text[done:i], c)
			done = i + 1
		}
	}
	if done == 0 {
		return text
	}
	return out.String() + text[done:]
}
