package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tale-project/tale-runtime/internal/config"
)

// field is a header field of HTTP/2, which can hold any bytes on the wire.
type field struct{ name, value string }

// injections are fields that would be something else if they were written into
// an HTTP/1.1 request as they are. They are added to those of a plain GET; one
// with the name of a pseudo-header that is there already replaces it.
var injections = map[string][]field{
	"field in a value":         {{"x-a", "b\r\nx-injected: 1"}},
	"request in a value":       {{"x-a", "b\r\n\r\nGET /injected HTTP/1.1\r\nHost: site.test\r\n\r\n"}},
	"line feed in a value":     {{"x-a", "b\nx-injected: 1"}},
	"return in a value":        {{"x-a", "b\rx-injected: 1"}},
	"NUL in a value":           {{"x-a", "b\x00x-injected: 1"}},
	"field in a name":          {{"x-a: b\r\nx-injected", "1"}},
	"colon in a name":          {{"x-injected: 1\r\nx", "1"}},
	"space in a name":          {{"x a", "1"}},
	"capitals in a name":       {{"Transfer-Encoding", "chunked"}},
	"empty name":               {{"", "x"}},
	"space in the path":        {{":path", "/x y"}},
	"version in the path":      {{":path", "/x HTTP/1.1"}},
	"space in the query":       {{":path", "/x?y z"}},
	"version in the query":     {{":path", "/x?y HTTP/1.1"}},
	"tab in the query":         {{":path", "/x?y\tz"}},
	"bytes in the query":       {{":path", "/x?y=\xff\x80\""}},
	"request in the path":      {{":path", "/x HTTP/1.1\r\nHost: site.test\r\n\r\nGET /injected"}},
	"request in the query":     {{":path", "/x? HTTP/1.1\r\nHost: site.test\r\n\r\nGET /injected"}},
	"fragment in the path":     {{":path", "/x#y z"}},
	"no slash":                 {{":path", "x"}},
	"asterisk":                 {{":path", "*"}},
	"authority for a path":     {{":path", "//evil.test/x"}},
	"address for a path":       {{":path", "https://evil.test/x"}},
	"empty path":               {{":path", ""}},
	"request in the method":    {{":method", "GET /injected HTTP/1.1\r\nHost: site.test\r\n\r\nGET"}},
	"space in the method":      {{":method", "GET /injected"}},
	"empty method":             {{":method", ""}},
	"field in the authority":   {{":authority", "site.test\r\nx-injected: 1"}},
	"space in the authority":   {{":authority", "site.test x"}},
	"space in the port":        {{":authority", "site.test:1 x"}},
	"path in the authority":    {{":authority", "site.test/injected"}},
	"path in the port":         {{":authority", "site.test:1/injected"}},
	"user in the authority":    {{":authority", "user@site.test"}},
	"user in the port":         {{":authority", "site.test:1@evil.test"}},
	"another authority":        {{":authority", "site.test"}, {":authority", "evil.test"}},
	"scheme with a request":    {{":scheme", "https://evil.test/?"}},
	"host beside authority":    {{"host", "evil.test"}},
	"chunked":                  {{"transfer-encoding", "chunked"}},
	"trailers and chunked":     {{"te", "trailers"}, {"transfer-encoding", "chunked"}},
	"te":                       {{"te", "chunked"}},
	"connection":               {{"connection", "x-real-ip"}},
	"connection close":         {{"connection", "close"}},
	"proxy connection":         {{"proxy-connection", "keep-alive"}},
	"keep alive":               {{"keep-alive", "5"}},
	"upgrade":                  {{"upgrade", "websocket"}},
	"upgrade to h2c":           {{"upgrade", "h2c"}, {"http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"}},
	"length without a body":    {{"content-length", "10"}},
	"two lengths":              {{"content-length", "0"}, {"content-length", "10"}},
	"length list":              {{"content-length", "0, 10"}},
	"signed length":            {{"content-length", "+0"}},
	"pseudo-header after":      {{"x-a", "b"}, {":path", "/injected"}},
	"unknown pseudo-header":    {{":injected", "x"}},
	"protocol":                 {{":protocol", "websocket"}},
	"field by another name":    {{"content_length", "10"}},
	"expects to go on":         {{"expect", "100-continue"}},
	"cookie with a line break": {{"cookie", "a=b"}, {"cookie", "c=d\r\nx-injected: 1"}},
}

func TestNothingIsInjectedThroughHTTP2(t *testing.T) {
	strict, address := startStrict(t)
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address, "DASHBOARD_UPSTREAM": address})
	plain := []field{{":method", "GET"}, {":scheme", "https"}, {":authority", siteName}, {":path", "/x"}}
	if status := p.sendFields(plain); status != "200" {
		t.Fatalf("a plain request: %s", status)
	}
	for name, added := range injections {
		for _, prefix := range []string{"", "/ws_api/api/1.2.3/sync"} {
			strict.take()
			status := p.sendFields(merged(plain, added, prefix))
			heads, faults := strict.take()
			for _, fault := range faults {
				t.Errorf("%s below %s (%s): %s", name, prefix, status, fault)
			}
			if len(heads) > 1 {
				t.Errorf("%s below %s: one request became %q", name, prefix, heads)
			}
			for _, head := range heads {
				if fields, err := fieldsOf(head); err == nil && (fields["x-injected"] != nil || fields["upgrade"] != nil || fields["host"][0] != siteName) {
					t.Errorf("%s below %s: %q", name, prefix, head)
				}
			}
		}
	}
}

// Over HTTP/3 the fields come in another form, and so do those of a WebSocket.
func TestNothingIsInjectedThroughHTTP3(t *testing.T) {
	strict, address := startStrict(t)
	p := start(t, config.Environ{"HTTP3": "on", "PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address, "ASSETS_CACHE": "0"})
	over3 := &rawHTTP3{running: p}
	plain := []field{{":method", "GET"}, {":scheme", "https"}, {":authority", siteName}, {":path", "/x"}}
	socket := []field{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":authority", siteName}, {":path", "/api/1.2.3/sync"}}
	cases := map[string]int{} // how often each has arrived
	for name, added := range injections {
		for way, fields := range map[string][]field{"plain": plain, "socket": socket} {
			for _, body := range []string{"", "GET /injected HTTP/1.1\r\nHost: site.test\r\n\r\n"} {
				tag := fmt.Sprintf("%s, %s, %d", name, way, len(body))
				over3.send(append(merged(fields, added, ""), field{"x-case", tag}), body)
			}
		}
	}
	over3.send(append(plain, field{"x-case", "plain"}), "")
	over3.send(append(socket, field{"x-case", "socket"}), "")
	heads, faults := strict.take()
	for _, fault := range faults {
		t.Error(fault)
	}
	for _, head := range heads {
		fields, err := fieldsOf(head)
		if err != nil {
			continue // a fault
		}
		tag := strings.Join(fields["x-case"], "")
		if cases[tag]++; cases[tag] > 1 || tag == "" {
			t.Errorf("one request became another one, too: %q", head)
		}
		if fields["x-injected"] != nil || fields["host"][0] != siteName {
			t.Errorf("%s: %q", tag, head)
		}
	}
	if cases["plain"]+cases["socket"] != 2 {
		t.Errorf("what is not odd did not arrive: %v", cases)
	}
}

// merged puts fields in the place of those with the same name or behind them.
func merged(plain, added []field, prefix string) []field {
	var all []field
	replaced := map[string]bool{}
	for _, f := range plain {
		for _, a := range added {
			if a.name == f.name && added[0].name == f.name {
				all = append(all, a)
				replaced[a.name] = true
			}
		}
		if !replaced[f.name] {
			all = append(all, f)
		}
	}
	for i, f := range all {
		if f.name == ":path" && len(f.value) > 0 && f.value[0] == '/' {
			all[i].value = prefix + f.value
		}
	}
	for _, a := range added {
		if !replaced[a.name] {
			all = append(all, a)
		}
	}
	return all
}

// sendFields sends one request as HTTP/2 frames over a connection of its own and
// returns the status, or what became of it instead.
func (p *running) sendFields(fields []field) (status string) {
	p.Helper()
	framer := p.writeFields(fields)
	for {
		frame, err := framer.ReadFrame()
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return frame.ErrCode.String()
		case *http2.GoAwayFrame:
			return "going away: " + frame.ErrCode.String()
		}
		if err != nil {
			return err.Error()
		}
	}
}

// bodyOf sends one request and returns what the upstream saw of it.
func (p *running) bodyOf(fields []field) (got seen) {
	p.Helper()
	framer := p.writeFields(fields)
	var body []byte
	for {
		frame, err := framer.ReadFrame()
		if data, ok := frame.(*http2.DataFrame); ok {
			body = append(body, data.Data()...)
		}
		if _, reset := frame.(*http2.RSTStreamFrame); reset || err != nil || frame.Header().Flags.Has(http2.FlagDataEndStream) && frame.Header().StreamID == 1 {
			_ = json.Unmarshal(body, &got)
			return got
		}
	}
}

func (p *running) writeFields(fields []field) *http2.Framer {
	p.Helper()
	return p.openStream(fields, true)
}

// openStream sends the head of a request over HTTP/2.
func (p *running) openStream(fields []field, whole bool) *http2.Framer {
	p.Helper()
	return openStreamOn(p.dial(&tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{"h2"}}), fields, whole)
}

// openStreamOn does that on a connection on which nothing was sent.
func openStreamOn(conn io.ReadWriter, fields []field, whole bool) *http2.Framer {
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.AllowIllegalWrites = true
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value})
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: whole, EndHeaders: true})
	return framer
}
