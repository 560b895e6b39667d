package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// answersConfig is the cheapest upstream there is.
const answersConfig = `
worker_processes 1; daemon off; error_log stderr warn; pid %[1]s/answers.pid;
events { worker_connections 4096; }
http {
	access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 300s;
	client_max_body_size 0; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[2]s backlog=4096; root %[1]s; default_type application/json;
		types { text/html html; text/javascript js; }
		location = /app.html { }
		location /assets/ { add_header Cache-Control "public, max-age=31536000, immutable"; }
		location = /large { default_type application/octet-stream; try_files /large.bin =404; }
		location / { return 200 '{"small":"an answer of about one hundred bytes, as an API gives many of them","number":1234567890}'; }
	}
}`

// proxyConfig is nginx as a proxy in front of the same upstream, with what it
// needs to keep connections, and its access log in the same pipe as the others'.
const proxyConfig = `
worker_processes auto; daemon off; error_log stderr warn; pid %[1]s/nginx.pid;
events { worker_connections 4096; }
http {
	access_log /dev/stdout combined; keepalive_requests 1000000000; keepalive_timeout 300s; client_max_body_size 0;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	gzip on; gzip_proxied any; gzip_types application/json text/css text/javascript application/javascript;
	upstream answers { server %[3]s; keepalive 256; keepalive_requests 1000000000; }
	server {
		listen 127.0.0.1:%[2]s ssl http2 backlog=4096; server_name localhost;
		ssl_certificate %[1]s/nginx.crt; ssl_certificate_key %[1]s/nginx.key;
		location / {
			proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
			proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}`

const largeAnswer = 1 << 20

func (s *stand) startAnswers(ctx context.Context, address string) error {
	large := make([]byte, largeAnswer)
	_, _ = rand.Read(large)                                                                // never fails
	if err := os.WriteFile(filepath.Join(s.work, "large.bin"), large, 0o644); err != nil { //nolint:gosec // nginx's workers have another user
		return err
	}
	if err := s.writeApp(); err != nil {
		return err
	}
	if err := os.Chmod(s.work, 0o755); err != nil { //nolint:gosec // likewise
		return err
	}
	p, err := s.runNginx(ctx, "answers", fmt.Sprintf(answersConfig, s.work, address))
	if err == nil {
		s.others = append(s.others, p)
		s.answers = address
	}
	return err
}

func (s *stand) startNginx(ctx context.Context, port string) (*process, error) {
	if err := s.writeCertificate(); err != nil {
		return nil, err
	}
	return s.runNginx(ctx, nginx, fmt.Sprintf(proxyConfig, s.work, port, s.answers))
}

func (s *stand) runNginx(ctx context.Context, name, config string) (*process, error) {
	path := filepath.Join(s.work, name+".conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, name, s.env, "nginx", "-c", path)
}

// writeCertificate makes one of the kind that Caddy's own authority issues.
func (s *stand) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{"nginx.crt": {Type: "CERTIFICATE", Bytes: certificate}, "nginx.key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(s.work, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
