package settings

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Maintenance is how the page looks that visitors get while the site is away.
type Maintenance struct {
	Name string `env:"MAINTENANCE_NAME" doc:"What the maintenance page calls the site. Default: \"This site\", in the visitor's language." accept:"a short text"`
	Logo string `env:"MAINTENANCE_LOGO" doc:"Image at the top of the maintenance page, which is part of the page." accept:"a file of at most 32 KiB (SVG, PNG, JPEG, WebP, GIF), or the same as a data: URI"`
	Link string `env:"MAINTENANCE_LINK" doc:"Where the maintenance page sends visitors who want to know more." accept:"an http, https or mailto URL"`
}

// longestName is for a heading, in bytes.
const longestName = 100

// longestLink is more than browsers and mail programs are sure to take, in bytes.
const longestLink = 2000

// mostLogo is the size of a logo, in bytes; it is part of every answer.
const mostLogo = 32 << 10

const svg = "image/svg+xml"

// Validate reports what cannot be shown.
func (m Maintenance) Validate() (problems config.Problems) {
	if len(m.Name) > longestName || strings.ContainsFunc(m.Name, isUnfit) {
		problems = append(problems, problem("MAINTENANCE_NAME", "has %d bytes, or line breaks, control characters or what is no UTF-8", "a short text in one line", len(m.Name)))
	}
	if _, err := m.LogoURI(); err != nil {
		problems = append(problems, problem("MAINTENANCE_LOGO", "%v", "", err))
	}
	if len(m.Link) > longestLink {
		problems = append(problems, problem("MAINTENANCE_LINK", "has %d bytes", "a URL of at most 2000 bytes", len(m.Link)))
	} else if m.Link != "" {
		u, err := url.Parse(m.Link)
		mail := err == nil && u.Scheme == "mailto" && strings.Contains(u.Opaque, "@")
		if web := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""; !web && !mail {
			problems = append(problems, problem("MAINTENANCE_LINK", "%q leads nowhere", "such as https://status.example.com or mailto:help@example.com", m.Link))
		}
	}
	return problems
}

// isUnfit reports whether a character breaks a line, is none, or turns the direction of what
// comes behind it.
func isUnfit(r rune) bool {
	const mark, reverseMark, arabicMark = '\u200e', '\u200f', '\u061c' // names have them, and they turn nothing else
	turns := unicode.Is(unicode.Bidi_Control, r) && r != mark && r != reverseMark && r != arabicMark
	return turns || unicode.IsControl(r) || r == utf8.RuneError || unicode.In(r, unicode.Zl, unicode.Zp)
}

// LogoURI returns the logo as a data: URI, "" for none.
func (m Maintenance) LogoURI() (string, error) {
	content, declared, err := m.logo()
	if err != nil || m.Logo == "" {
		return "", err
	}
	kind := http.DetectContentType(content)
	if isSVG(content) {
		kind = svg
	}
	switch {
	case len(content) > mostLogo:
		return "", fmt.Errorf("has more than %d KiB", mostLogo>>10)
	case !slices.Contains([]string{svg, "image/png", "image/jpeg", "image/webp", "image/gif"}, kind):
		return "", fmt.Errorf("is no image of a known kind (%s)", kind)
	case declared != "" && declared != kind:
		return "", fmt.Errorf("says %s and is %s", declared, kind)
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content), nil
}

// logo returns the image, and what a data: URI says that it is.
func (m Maintenance) logo() (content []byte, declared string, err error) {
	rest, inline := strings.CutPrefix(m.Logo, "data:")
	if !inline {
		return readLogo(m.Logo)
	}
	head, data, found := strings.Cut(rest, ",")
	if !found {
		return nil, "", errors.New("is a data: URI without a comma")
	}
	head, encoded := strings.CutSuffix(head, ";base64")
	if declared, _, err = mime.ParseMediaType(head); err != nil {
		return nil, "", errors.New("is a data: URI without a type")
	}
	if encoded {
		content, err = base64.StdEncoding.DecodeString(data)
	} else {
		data, err = url.PathUnescape(data)
		content = []byte(data)
	}
	if err != nil {
		return nil, "", errors.New("is a data: URI that cannot be decoded")
	}
	return content, declared, nil
}

// readLogo opens regular files only: a pipe would be waited for.
func readLogo(path string) ([]byte, string, error) {
	if path == "" {
		return nil, "", nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return nil, "", fmt.Errorf("%s is not a file", path)
	case info.Size() > mostLogo:
		return nil, "", fmt.Errorf("has more than %d KiB", mostLogo>>10)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("cannot be read: %w", err)
	}
	return content, "", nil
}

// isSVG reports whether the content is XML whose root is svg.
func isSVG(content []byte) bool {
	decoder := xml.NewDecoder(bytes.NewReader(content))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if element, ok := token.(xml.StartElement); ok {
			return element.Name.Local == "svg"
		}
	}
}
