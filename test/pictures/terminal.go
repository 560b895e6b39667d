// Package pictures draws what our programs print on a terminal, for the pages: real
// output of real commands, so that no picture shows what is not so. It draws texts and
// no windows: what a browser shows is photographed by test/browser.
package pictures

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Sizes of the pictures, in pixels and characters.
const (
	columns    = 118
	textWidth  = 856 // of a whole line
	lineHeight = 17
	margin     = 14
)

var (
	escape = regexp.MustCompile(`\x1b\[([0-9;?]*)([A-Za-z])`)
	// colours are those of the escape sequences that our programs use.
	colours = map[string]string{
		"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea", "90": "#8b949e", "2": "#8b949e",
		"91": "#ff7b72", "92": "#7ee787", "93": "#e3b341",
	}
)

// screen returns what a terminal shows of an output: a line that was written anew has
// its last text, and one that is too long goes on below; with colours it is cut.
func screen(output string) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(output, "\n"), "\n") {
		line = strings.TrimRight(line, "\r")
		if i := strings.LastIndex(line, "\r"); i >= 0 {
			line = line[i+1:]
		}
		if i := strings.LastIndex(line, "\x1b[K"); i >= 0 {
			line = line[i+len("\x1b[K"):]
		}
		line = strings.ReplaceAll(line, "\t", "    ")
		for letters := []rune(line); !escape.MatchString(line) && len(letters) > columns; letters = []rune(line) {
			lines, line = append(lines, string(letters[:columns])), string(letters[columns:])
		}
		lines = append(lines, line)
	}
	return lines
}

// draw returns a picture, as SVG, of a command and what it has printed.
func draw(command, output string) string {
	lines := append([]string{"\x1b[32m$\x1b[0m \x1b[1m" + command + "\x1b[0m"}, screen(output)...)
	width, height := textWidth+2*margin, len(lines)*lineHeight+2*margin
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="12" fill="#e6edf3">`, width, height, width, height)
	fmt.Fprintf(&svg, "\n<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"#0d1117\"/>\n", html.EscapeString(command))
	for i, line := range lines {
		fmt.Fprintf(&svg, `<text x="%d" y="%d" xml:space="preserve">%s</text>`+"\n", margin, margin+12+i*lineHeight, spans(line))
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

// spans returns the pieces of a line, each with its colour.
func spans(line string) string {
	var text strings.Builder
	var style string
	room := columns
	write := func(piece string) {
		letters := []rune(piece)
		switch {
		case room <= 0 || len(letters) == 0:
			return
		case len(letters) > room:
			letters = append(letters[:room-1], '…')
		}
		room -= len(letters)
		piece = html.EscapeString(string(letters))
		if style != "" {
			piece = "<tspan" + style + ">" + piece + "</tspan>"
		}
		text.WriteString(piece)
	}
	at := 0
	for _, found := range escape.FindAllStringSubmatchIndex(line, -1) {
		write(line[at:found[0]])
		at = found[1]
		if line[found[4]:found[5]] == "m" {
			style = styleOf(style, line[found[2]:found[3]])
		}
	}
	write(line[at:])
	return text.String()
}

func styleOf(before, codes string) string {
	style := before
	for code := range strings.SplitSeq(codes, ";") {
		switch {
		case code == "" || code == "0":
			style = ""
		case code == "1":
			style += ` font-weight="bold"`
		case colours[code] != "" && !strings.Contains(style, "fill="):
			style += fmt.Sprintf(` fill="%s"`, colours[code])
		}
	}
	return style
}
