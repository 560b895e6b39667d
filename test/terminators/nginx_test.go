package terminators

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// nginxMain is what nginx.conf has around a site's file.
const nginxMain = `
daemon off; master_process off; error_log stderr warn; pid %[1]s/nginx.pid;
events {}
http {
	access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	%[2]s
}`

func TestNginx(t *testing.T) {
	program := testkit.Nginx(t)
	for name, tt := range map[string]struct {
		base string
		also []string // replacements
	}{
		"at the root":      {base: ""},
		"under a sub-path": {base: "/tale", also: []string{"location / {", "location /tale/ {"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, tt.base)
			address := "127.0.0.1:" + testkit.FreePort(t)
			code := fit(t, snippet(t, "Behind nginx", "nginx"), append(tt.also, "listen 443", "listen "+address, "http://tale:80", "http://"+s.proxy,
				"/etc/nginx/example.com.crt", s.certificate, "/etc/nginx/example.com.key", s.key)...)
			folder := t.TempDir()
			file := filepath.Join(folder, "nginx.conf")
			s.must(os.WriteFile(file, fmt.Appendf(nil, nginxMain, folder, code), 0o600))
			run(t, address, nil, program, "-c", file, "-p", folder)
			s.check(address)
		})
	}
}
