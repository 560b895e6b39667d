package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// spellings are what encoders of four languages make of a value. Those of other
// languages than Go follow their specifications.
var spellings = map[string]func(string) string{
	"plain":                func(v string) string { return v },
	"upper case":           asciiUpper,
	"query":                url.QueryEscape,
	"path":                 url.PathEscape,
	"user info":            func(v string) string { return url.UserPassword("", v).String()[1:] },
	"query, lower case":    func(v string) string { return lowerEscapes(url.QueryEscape(v)) },
	"query, twice":         func(v string) string { return url.QueryEscape(url.QueryEscape(v)) },
	"encodeURIComponent":   func(v string) string { return percentExcept(v, "-_.!~*'()") },
	"encodeURI":            func(v string) string { return percentExcept(v, "-_.!~*'();,/?:@&=+$#") },
	"every byte but words": func(v string) string { return percentExcept(v, "") },
	"JSON of Go":           inJSON,
	"JSON of JavaScript":   plainJSON,
	"JSON in JSON":         func(v string) string { return plainJSON(plainJSON(v)) },
	"JSON three times":     func(v string) string { return inJSON(inJSON(inJSON(v))) },
	"JSON of PHP":          func(v string) string { return strings.ReplaceAll(ascii(plainJSON(v)), "/", `\/`) },
	"query in JSON":        func(v string) string { return inJSON(url.QueryEscape(v)) },
	"HTML of Go":           html.EscapeString,
	"HTML, hexadecimal":    func(v string) string { return each(v, func(r rune) string { return fmt.Sprintf("&#x%X;", r) }) },
	"HTML, named":          strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace,
	"HTML, twice":          func(v string) string { return html.EscapeString(html.EscapeString(v)) },
	"quoted by Go":         func(v string) string { q := strconv.Quote(v); return q[1 : len(q)-1] },
	"quoted as ASCII":      func(v string) string { q := strconv.QuoteToASCII(v); return q[1 : len(q)-1] },
	"Debug of Rust": func(v string) string {
		return each(v, func(r rune) string {
			switch {
			case strings.ContainsRune(`"\'`, r):
				return `\` + string(r)
			case r > 0x7e:
				return fmt.Sprintf(`\u{%x}`, r)
			}
			return string(r)
		})
	},
	"literal of Postgres":     func(v string) string { return strings.ReplaceAll(v, "'", "''") },
	"E literal of Postgres":   strings.NewReplacer(`'`, `\'`, `\`, `\\`).Replace,
	"bytea of Postgres":       func(v string) string { return bytesAs(v, `\%03o`) },
	"bytes by hex escapes":    func(v string) string { return bytesAs(v, `\x%02x`) },
	"hex":                     func(v string) string { return hex.EncodeToString([]byte(v)) },
	"hex, upper case":         func(v string) string { return strings.ToUpper(hex.EncodeToString([]byte(v))) },
	"base64":                  func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) },
	"base64 of a URL":         func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) },
	"base64, user before":     func(v string) string { return base64.StdEncoding.EncodeToString([]byte("tale:" + v)) },
	"base64, in the middle":   func(v string) string { return base64.StdEncoding.EncodeToString([]byte("a" + v + "zz")) },
	"base64, in a query":      func(v string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(v))) },
	"Buffer of Node.js":       func(v string) string { return byteList([]byte(v[:min(len(v), 50)]), "%02x", " ") },
	"bytes of Go":             func(v string) string { return byteList([]byte(v), "%d", " ") },
	"bytes of Rust":           func(v string) string { return byteList([]byte(v), "%d", ", ") },
	"bytes in JSON":           func(v string) string { return byteList([]byte(v), "%d", ",") },
	"single quotes, shell":    strings.NewReplacer("'", `'\''`).Replace,
	"single quotes, Node.js":  strings.NewReplacer("'", `\'`, `\`, `\\`).Replace,
	"double quotes, shell":    strings.NewReplacer(`"`, `\"`, `\`, `\\`, "$", `\$`, "`", "\\`").Replace,
	"blanks escaped by shell": func(v string) string { return each(v, func(r rune) string { return `\` + string(r) }) },
	"base64, in JSON of PHP": func(v string) string {
		return strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(v)), "/", `\/`)
	},
}

func byteList(value []byte, format, between string) string {
	spelled := make([]string, len(value))
	for i, b := range value {
		spelled[i] = fmt.Sprintf(format, b)
	}
	return strings.Join(spelled, between)
}

func asciiUpper(v string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, v)
}

func each(v string, spell func(rune) string) string {
	var b strings.Builder
	for _, r := range v {
		if isAlphanumeric(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(spell(r))
		}
	}
	return b.String()
}

func bytesAs(v, format string) string {
	return each(v, func(r rune) string {
		var b strings.Builder
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	})
}

func percentExcept(v, kept string) string {
	return each(v, func(r rune) string {
		if strings.ContainsRune(kept, r) {
			return string(r)
		}
		return bytesAs(string(r), "%%%02X")
	})
}

func lowerEscapes(v string) string {
	parts := strings.Split(v, "%")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToLower(parts[i][:2]) + parts[i][2:]
	}
	return strings.Join(parts, "%")
}

func inJSON(v string) string {
	quoted, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(quoted[1 : len(quoted)-1])
}

func plainJSON(v string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return b.String()[1 : b.Len()-2]
}

func ascii(v string) string {
	var b strings.Builder
	for _, r := range v {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			b.WriteString(utf16Escapes(r))
		}
	}
	return b.String()
}

// canaries returns secrets as people have them, and some that only a machine makes.
func canaries() map[string]string {
	made := map[string]string{
		"HEX":      "0123456789abcdeffedcba98765432100123456789abcdeffedcba9876543210",
		"BASE64":   "q/1+vY7wz0cdE8BGl+9hQ2fKkX3o/aMSLnT6rJbPiVI=",
		"PASSWORD": `p@ss"w<o>r&d/1'+%=\ é€😀!*()`,
		"SHORT":    "hunter2",
		"AGE":      "AGE-SECRET-KEY-1QQPQYQWZ8X7M6N5B4V3C2L1K0J9H8G7F6D5S4A3P2O1I0U9Y8T7",
	}
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("abcXYZ019 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~éß€漢😀")
	for i := range 12 {
		value := make([]rune, 8+random.IntN(24))
		for j := range value {
			value[j] = alphabet[random.IntN(len(alphabet))]
		}
		made["RANDOM"+strconv.Itoa(i)] = strings.TrimSpace(string(value)) + "x"
	}
	return made
}

// texts are what stands around a secret; in base64 that is more of it.
var texts = [][2]string{{"", ""}, {"the backend said: ", " and more"}, {`{"url":"postgresql://tale:`, `@db:5432"}`}, {strings.Repeat("a", 240), "\n"}}

func TestEverySpellingIsFound(t *testing.T) {
	secrets := canaries()
	r := New(secrets)
	for name, value := range secrets {
		for spelling, spell := range spellings {
			if spelling == "upper case" && len(value) < 16 {
				continue // a short value may be a word
			}
			for _, around := range texts {
				spelled := spell(value)
				got := r.Redact(around[0] + spelled + around[1])
				if leaked := longestCommon(got, spelled, around); leaked > leftOf(spelling) {
					t.Errorf("%s, %s: %d characters of %q are in %q", name, spelling, leaked, spelled, got)
				}
				if !strings.Contains(got, "[") {
					t.Errorf("%s, %s: nothing stands in the place of %q: %q", name, spelling, spelled, got)
				}
			}
		}
	}
}

// leftOf returns what may be left: around base64 there are characters with bits of
// something else, the user's name among them.
func leftOf(spelling string) int {
	if strings.HasPrefix(spelling, "base64") {
		return 8
	}
	return 0
}

// longestCommon returns how much of the spelled secret in one piece is left.
func longestCommon(got, spelled string, around [2]string) int {
	got = regexp.MustCompile(`\[[A-Za-z0-9]+\]`).ReplaceAllString(strings.TrimSuffix(strings.TrimPrefix(got, around[0]), around[1]), "")
	longest := 0
	for i := range spelled {
		for n := longest + 1; i+n <= len(spelled) && strings.Contains(got, spelled[i:i+n]); n++ {
			longest = n
		}
	}
	return longest
}

// TestEveryCutIsCovered cuts a text at every place within and near the secret:
// what is left of it, on either side, is at most what an edge lets through.
func TestEveryCutIsCovered(t *testing.T) {
	before, after := "failed: ", " (os error 2)"
	for name, value := range canaries() {
		r := New(map[string]string{name: value})
		for spelling, spell := range spellings {
			if spelling == "upper case" && len(value) < 16 {
				continue
			}
			spelled := spell(value)
			text := before + spelled + after
			for cut := len(before); cut <= len(before)+len(spelled); cut++ {
				pieces := Pieces[string](r, cut)
				got := [2]string{pieces("out", text[:cut]), ""}
				if between := "a whole line"; pieces("err", between) != between {
					t.Fatal("the other stream continues this one")
				}
				got[1] = pieces("out", text[cut:])
				left := strings.TrimPrefix(got[0], before)
				right := strings.TrimSuffix(got[1], after)
				if most := edgeOf(spell, spelling, value); !strings.Contains(left, "[") && len(left) > most || !strings.Contains(right, "[") && len(right) > most {
					t.Errorf("%s, %s, cut at %d of %q: %q and %q", name, spelling, cut-len(before), spelled, got[0], got[1])
				}
				if limited := r.Limit(text, cut); strings.Contains(limited, spelled[:min(len(spelled), 8)]) {
					t.Errorf("%s, %s: limited to %d: %q", name, spelling, cut, limited)
				}
			}
		}
	}
}

// edgeOf returns the longest spelling of as many characters as an edge may have.
func edgeOf(spell func(string) string, spelling, value string) int {
	if strings.HasPrefix(spelling, "base64") || strings.HasPrefix(spelling, "hex") {
		return 2 * 3 * edge
	}
	most := 0
	for _, r := range value {
		most = max(most, len(spell(string(r))))
	}
	return most * (edge + 1)
}
