package settings

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

const (
	onePixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	drawing  = "<?xml version=\"1.0\"?><!-- a --><svg xmlns=\"http://www.w3.org/2000/svg\"/>"
)

func TestLogo(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	png, _ := base64.StdEncoding.DecodeString(onePixel)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ logo, uri, wrong string }{
		{"", "", ""},
		{write("a.png", string(png)), "data:image/png;base64," + onePixel, ""},
		{write("a.svg", drawing), "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(drawing)), ""},
		{"data:image/png;base64," + onePixel, "data:image/png;base64," + onePixel, ""},
		{"data:image/svg+xml,%3Csvg/%3E", "data:image/svg+xml;base64,PHN2Zy8+", ""},
		{"data:image/svg+xml;charset=utf-8,%3Csvg/%3E", "data:image/svg+xml;base64,PHN2Zy8+", ""},
		{filepath.Join(dir, "none.png"), "", "cannot be read"},
		{dir, "", "is not a file"},
		{pipe, "", "is not a file"},
		{write("page.html", "<html><script>alert(1)</script>"), "", "no image of a known kind (text/html"},
		{write("empty.png", ""), "", "no image"},
		{write("large.png", string(png)+strings.Repeat("x", mostLogo)), "", "more than 32 KiB"},
		{"data:text/html,<svg/>", "", "says text/html and is image/svg+xml"},
		{"data:image/png;base64,AAAA", "", "no image"},
		{"data:image/png;base64,!", "", "cannot be decoded"},
		{"data:image/png", "", "without a comma"},
		{"data:,x", "", "without a type"},
		{"data:image/svg+xml," + strings.Repeat("<svg/>", mostLogo), "", "more than 32 KiB"},
	} {
		uri, err := Maintenance{Logo: tt.logo}.LogoURI()
		if uri != tt.uri || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%.60q: %.80q, %v", tt.logo, uri, err)
		}
	}
}

func TestMaintenancePageSettings(t *testing.T) {
	for _, tt := range []struct{ name, value, words string }{
		{"MAINTENANCE_NAME", strings.Repeat("x", 101), "101 bytes"}, {"MAINTENANCE_NAME", "a\nb", "line breaks"},
		{"MAINTENANCE_NAME", "a\u2028b", "line breaks"}, {"MAINTENANCE_NAME", "a\u202eb", "control characters"}, {"MAINTENANCE_NAME", "a\x7f", "control characters"}, {"MAINTENANCE_NAME", "a\xff", "no UTF-8"},
		{"MAINTENANCE_LINK", "https://example.com/" + strings.Repeat("x", 2000), "2020 bytes"}, {"MAINTENANCE_LINK", "data:text/html,x", "leads nowhere"},
		{"MAINTENANCE_LOGO", "/nowhere", "cannot be read"},
		{"MAINTENANCE_LINK", "javascript:alert(1)", "leads nowhere"}, {"MAINTENANCE_LINK", "status.example.com", "leads nowhere"},
		{"MAINTENANCE_LINK", "https:///x", "leads nowhere"}, {"MAINTENANCE_LINK", "mailto:help", "leads nowhere"},
	} {
		_, problems := load(config.Environ{"SITE_URL": "https://site.test", tt.name: tt.value})
		if len(problems) != 1 || problems[0].Variable != tt.name || !strings.Contains(problems[0].Wrong, tt.words) {
			t.Errorf("%s=%s: %v", tt.name, tt.value, problems)
		}
	}
	if _, problems := load(config.Environ{"SITE_URL": "https://site.test", "MAINTENANCE_NAME": "Müller & Söhne \u200fאתר", "MAINTENANCE_LINK": "mailto:help@example.com"}); len(problems) > 0 {
		t.Error(problems)
	}
}
