// Package sitetest is a stack that a visitor can go to, with faults. It is for
// tests only.
package sitetest

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
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/tale-project/tale-runtime/internal/site"
)

// action is the path of the app's HTTP action.
const action = "/api/guestbook"

// Site answers as the proxy and what is behind it do.
type Site struct {
	URL       string
	AdminKey  string   // the only one that it takes; empty: any
	Metrics   string   // the token that opens the metrics
	Variables []string // of the deployment, NAME=VALUE
	Fault     string   // breaks one of its answers

	mu    sync.Mutex
	files [][]byte
	asked int // how often for the hashes
	book  guestbook
}

// Redirect is the plain port.
func (f *Site) Redirect(w http.ResponseWriter, r *http.Request) {
	target := f.URL + r.URL.RequestURI()
	if f.Fault == "redirect" {
		target = "https://elsewhere.example/"
	}
	http.Redirect(w, r, target, http.StatusPermanentRedirect)
}

// ServeHTTP is the site.
func (f *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/":
		w.Header().Set("Content-Type", "text/html")
		if f.Fault != "page" {
			_, _ = io.WriteString(w, `<script type="module" src="/assets/index.js"></script>`)
		}
	case path == "/assets/index.js":
		if f.Fault == "script" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "hello()")
	case path == "/health":
		f.health(w)
	case path == "/api/check_admin_key":
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Convex "+f.AdminKey) && f.Fault != "open admin API" || f.Fault == "admin API" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"success":`+strconv.FormatBool(f.Fault != "no success")+`}`)
	case path == "/api/get_config_hashes":
		f.hashes(w)
	case strings.HasPrefix(path, "/api/storage/"):
		f.storage(w, r)
	case path == action || path == "/http_api"+action:
		f.httpAction(w)
	case path == "/ws_api/api/"+site.ClientVersion+"/sync":
		f.sync(w, r)
	case strings.HasPrefix(strings.ToLower(path), "/metrics"):
		f.serveMetrics(w, r)
	case path == "/.well-known/openid-configuration" && f.Fault == "discovery":
		_, _ = io.WriteString(w, `{"issuer":"https://tale.example"}`)
	case f.Fault == "app away":
		w.WriteHeader(http.StatusBadGateway)
	default:
		http.NotFound(w, r)
	}
}

func (f *Site) health(w http.ResponseWriter) {
	switch f.Fault {
	case "another server":
		w.WriteHeader(http.StatusNotFound)
	case "upstream away":
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"available":false,"upstreams":[{"upstream":"platform:3000","available":false},{"upstream":"convex:3210","available":true}]}`)
	case "silent terminator":
		_, _ = io.WriteString(w, `{"available":true,"upstreams":[],"visitor":"10.0.0.9"}`)
	case "unreadable":
		_, _ = io.WriteString(w, `{"available":true,"upstreams":[],"forwarded":true}`)
	default:
		_, _ = io.WriteString(w, `{"available":true,"upstreams":[],"visitor":"192.0.2.1","forwarded":true}`)
	}
}

func (f *Site) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+f.Metrics && f.Fault != "open metrics" {
		if f.Fault != "no challenge" {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch f.Fault {
	case "no metrics":
		http.NotFound(w, r)
	case "page for metrics":
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html>")
	case "empty metrics":
		w.Header().Set("Content-Type", "text/plain")
	default:
		_, _ = io.WriteString(w, "process_cpu_seconds_total 1\n")
	}
}

func (f *Site) storage(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPost {
		file, _ := io.ReadAll(r.Body)
		switch f.Fault {
		case "upload":
			file = file[:100]
		case "upload refused":
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"code":"StorageTokenInvalid"}`)
			return
		}
		f.files = append(f.files, file)
		_, _ = io.WriteString(w, `{"storageId":"kg21"}`)
		return
	}
	if len(f.files) == 0 || f.Fault == "download" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(f.files[len(f.files)-1]))
}

func (f *Site) sync(w http.ResponseWriter, r *http.Request) {
	if f.Fault == "no socket" {
		http.NotFound(w, r)
		return
	}
	connection, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = connection.CloseNow() }()
	for {
		var message clientMessage
		if wsjson.Read(r.Context(), connection, &message) != nil {
			return
		}
		switch {
		case message.Type == "Mutation":
			f.sign(r.Context(), connection, message)
		case message.Type != "ModifyQuerySet":
		case strings.HasPrefix(message.query(), "entries:"):
			defer f.watch(r.Context(), connection, message)()
		default:
			if wsjson.Write(r.Context(), connection, f.transition()) != nil {
				return
			}
		}
	}
}

func (f *Site) transition() map[string]any {
	change := map[string]any{"type": "QueryUpdated", "queryId": 0}
	switch f.Fault {
	case "auth error":
		return map[string]any{"type": "AuthError", "error": "who are you?"}
	case "query failed":
		change = map[string]any{"type": "QueryFailed", "queryId": 0, "errorMessage": "no such query"}
	}
	var rows []map[string]string
	for _, variable := range f.Variables {
		name, value, _ := strings.Cut(variable, "=")
		rows = append(rows, map[string]string{"name": name, "value": value})
	}
	change["value"] = rows
	return map[string]any{"type": "Transition", "modifications": []any{change}}
}

// Certificate makes a certificate for localhost that is its own root.
func Certificate() (certificate tls.Certificate, rootPEM []byte) {
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

func (f *Site) httpAction(w http.ResponseWriter) {
	url := f.URL + action
	if f.Fault == "HTTP action" {
		url = "http://127.0.0.1:3210" + action
	}
	_, _ = io.WriteString(w, `{"url":"`+url+`"}`)
}

func (f *Site) hashes(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	hash := "aa"
	if f.Fault == "changing modules" && f.asked > 1 {
		hash = "bb"
	}
	_, _ = io.WriteString(w, `{"moduleHashes":[{"path":"entries.js","hash":"`+hash+`"}]}`)
}
