package target

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// isPlain reports whether every server reads the path in the same way: it has no
// empty segments, none that begin with a dot, and no byte or escape that could
// separate, end or change one.
func isPlain(raw string) bool {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case isUnreserved(c) && c != '.' || strings.IndexByte("!$&'()*+,=:@[]", c) >= 0:
		case c == '.' && i > 0 && raw[i-1] != '/':
		case c == '/' && (i == 0 || raw[i-1] != '/'):
		case c == '%' && i+3 < len(raw) && raw[i+1:i+3] == "20": // a space only inside
			i += 2
		default:
			return false
		}
	}
	return raw != "" && raw[0] == '/'
}

// normalized decides each byte of a path by itself: see Handler.
func normalized(raw string) (string, error) {
	var path strings.Builder
	for i := 0; i < len(raw); i++ {
		c, escaped := raw[i], false
		if c == '%' {
			if c, escaped = unescaped(raw, i); !escaped {
				return "", errors.New("there is half an escape in the path")
			}
		}
		switch {
		case c < ' ' || c == 0x7f:
			return "", errors.New("there is a control character in the path")
		case !escaped && (c == '\\' || c == '#'):
			return "", fmt.Errorf("there is a %c in the path", c)
		case isUnreserved(c), !escaped && strings.IndexByte("/!$&'()*+,;=:@[]", c) >= 0:
			path.WriteByte(c)
		case escaped:
			path.WriteString(raw[i : i+3])
		default:
			fmt.Fprintf(&path, "%%%02X", c)
		}
		if escaped {
			i += 2
		}
	}
	if !utf8.ValidString(decoded(path.String())) {
		return "", errors.New("the path is not in UTF-8")
	}
	return path.String(), nil
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// unescaped returns the byte of the escape at i, if there is one.
func unescaped(s string, i int) (byte, bool) {
	if i+2 >= len(s) || s[i] != '%' {
		return 0, false
	}
	high, low := unhex(s[i+1]), unhex(s[i+2])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// decoded returns a path without its escapes; what is none stays.
func decoded(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	plain := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if c, ok := unescaped(path, i); ok {
			plain = append(plain, c)
			i += 2
			continue
		}
		plain = append(plain, path[i])
	}
	return string(plain)
}

// hasDots reports whether a segment is . or .., with spaces around it or not.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if dots := strings.Trim(segment, " "); dots == "." || dots == ".." {
			return true
		}
	}
	return false
}

// resolved returns a path without its dot segments (RFC 3986, section 5.2.4).
func resolved(path string) string {
	segments := strings.Split(path, "/")[1:]
	kept := segments[:0]
	for i, segment := range segments {
		if segment == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		if segment != "." && segment != ".." {
			kept = append(kept, segment)
		} else if i == len(segments)-1 {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
