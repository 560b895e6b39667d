package accesslog

// plain returns as much of a part of a request as is logged, as text that is nothing more to a
// terminal or to a reader of the log: what is no visible character of ASCII is escaped, as
// URLs have it.
func plain(text string) string {
	const hex = "0123456789ABCDEF"
	text = shorten(text)
	var out []byte // stays empty while there is nothing to escape
	done := 0
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			out = append(append(out, text[done:i]...), '%', hex[c>>4], hex[c&0xf])
			done = i + 1
		}
	}
	if done == 0 {
		return text
	}
	return shorten(string(append(out, text[done:]...)))
}
