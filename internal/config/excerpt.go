package config

import "strings"

const leftOut = " … "

// Excerpt returns a text in at most so many bytes: its middle is left out, because an
// error says at its beginning what failed, and at its end why.
func Excerpt(text string, most int) string {
	if len(text) <= most {
		return text
	}
	keep := max(most-len(leftOut), 0)
	head := keep * 2 / 3
	return strings.ToValidUTF8(text[:head], "") + leftOut + strings.ToValidUTF8(text[len(text)-keep+head:], "")
}
