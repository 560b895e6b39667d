package demo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// fakeSite answers as the proxy and what is behind it do. Its fault breaks one
// of its answers.
type fakeSite struct {
	site      string
	metrics   string
	variables []string
	fault     string

	mu    sync.Mutex
	files [][]byte
	asked int // how often for the hashes
}

func (f *fakeSite) redirect(w http.ResponseWriter, r *http.Request) {
	target := f.site + r.URL.RequestURI()
	if f.fault == "redirect" {
		target = "https://elsewhere.example/"
	}
	http.Redirect(w, r, target, http.StatusPermanentRedirect)
}

func (f *fakeSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/":
		w.Header().Set("Content-Type", "text/html")
		if f.fault != "page" {
			_, _ = io.WriteString(w, `<script type="module" src="/assets/index.js"></script>`)
		}
	case path == "/assets/index.js":
		if f.fault == "script" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "hello()")
	case path == "/health":
		if f.fault == "health" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, "OK")
	case path == "/api/check_admin_key":
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Convex tale_demo|") && f.fault != "open admin API" || f.fault == "admin API" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"success":`+strconv.FormatBool(f.fault != "no success")+`}`)
	case path == "/api/get_config_hashes":
		f.hashes(w)
	case strings.HasPrefix(path, "/api/storage/"):
		f.storage(w, r)
	case path == "/api/guestbook" || path == "/http_api/api/guestbook":
		f.httpAction(w)
	case path == syncPath:
		f.sync(w, r)
	case strings.HasPrefix(strings.ToLower(path), "/metrics"):
		f.serveMetrics(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeSite) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+f.metrics && f.fault != "open metrics" {
		if f.fault != "no challenge" {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.fault != "empty metrics" {
		_, _ = io.WriteString(w, "process_cpu_seconds_total 1\n")
	}
}

func (f *fakeSite) storage(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPost {
		file, _ := io.ReadAll(r.Body)
		if f.fault == "upload" {
			file = file[:100]
		}
		f.files = append(f.files, file)
		_, _ = io.WriteString(w, `{"storageId":"kg21"}`)
		return
	}
	if len(f.files) == 0 || f.fault == "download" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(f.files[len(f.files)-1]))
}

func (f *fakeSite) sync(w http.ResponseWriter, r *http.Request) {
	connection, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = connection.CloseNow() }()
	for {
		var message struct{ Type string }
		if wsjson.Read(r.Context(), connection, &message) != nil {
			return
		}
		if message.Type != "ModifyQuerySet" {
			continue
		}
		if wsjson.Write(r.Context(), connection, f.transition()) != nil {
			return
		}
	}
}

func (f *fakeSite) transition() map[string]any {
	change := map[string]any{"type": "QueryUpdated", "queryId": 0}
	switch f.fault {
	case "auth error":
		return map[string]any{"type": "AuthError", "error": "who are you?"}
	case "query failed":
		change = map[string]any{"type": "QueryFailed", "queryId": 0, "errorMessage": "no such query"}
	}
	var rows []map[string]string
	for _, variable := range f.variables {
		name, value, _ := strings.Cut(variable, "=")
		rows = append(rows, map[string]string{"name": name, "value": value})
	}
	change["value"] = rows
	return map[string]any{"type": "Transition", "modifications": []any{change}}
}

func listenTLS(address string, certificate tls.Certificate) (net.Listener, error) {
	return tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{certificate}})
}

// selfSigned makes a certificate for localhost that is its own root.
func selfSigned() (certificate tls.Certificate, rootPEM []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (f *fakeSite) httpAction(w http.ResponseWriter) {
	url := f.site + "/api/guestbook"
	if f.fault == "HTTP action" {
		url = "http://127.0.0.1:3210/api/guestbook"
	}
	_, _ = io.WriteString(w, `{"url":"`+url+`"}`)
}

func (f *fakeSite) hashes(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	hash := "aa"
	if f.fault == "changing modules" && f.asked > 1 {
		hash = "bb"
	}
	_, _ = io.WriteString(w, `{"moduleHashes":[{"path":"entries.js","hash":"`+hash+`"}]}`)
}
