// Package netcause tells apart why a network request got no answer, so that a
// wait that fails and a push that breaks off use the same words for it. It knows
// nothing about what was asked or of whom.
package netcause

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Kind is the class of a transport failure.
type Kind string

// The kinds, in the words used in logs, reports and metrics.
const (
	None        Kind = ""            // no error
	Canceled    Kind = "canceled"    // we stopped asking
	DNS         Kind = "dns"         // the host name does not resolve
	Refused     Kind = "refused"     // nothing listens on the port
	Unreachable Kind = "unreachable" // no route to the host or network
	Timeout     Kind = "timeout"     // no answer in time, perhaps not even a connection
	Silent      Kind = "silent"      // a connection, and no answer in time
	Reset       Kind = "reset"       // the peer broke the connection
	Closed      Kind = "closed"      // the peer closed it before the answer was complete
	TLS         Kind = "tls"         // certificate or handshake
	Protocol    Kind = "protocol"    // the peer does not speak HTTP on this port
	Other       Kind = "other"
)

// connected is an error of a request that had got its connection.
type connected struct{ error }

func (c connected) Unwrap() error { return c.error }

// Timeout reports whether the error is a timeout. It is for net/url, which asks only the
// error right below it.
func (c connected) Timeout() bool {
	failure, is := errors.AsType[net.Error](c.error)
	return is && failure.Timeout()
}

// Connected marks an error of a request that had got its connection, so that silence
// is told from packets that do not arrive.
func Connected(err error) error { return connected{err} }

// Of classifies err, which may be any error of net, net/http or crypto/tls, and
// explains it in half a sentence. A nil error is None without explanation. The
// explanation contains at most a host name, never a URL.
func Of(err error) (Kind, string) {
	if err == nil {
		return None, ""
	}
	for _, classify := range []func(error) (Kind, string){cancellation, resolution, security, connection, protocol} {
		if kind, explanation := classify(err); kind != None {
			return kind, explanation
		}
	}
	return Other, err.Error()
}

func cancellation(err error) (Kind, string) {
	if errors.Is(err, context.Canceled) {
		return Canceled, "the request was canceled"
	}
	return None, ""
}

func resolution(err error) (Kind, string) {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return None, ""
	}
	switch {
	case dns.IsNotFound:
		return DNS, "the host name " + dns.Name + " does not resolve"
	case dns.IsTimeout:
		return DNS, "the name server did not answer in time about " + dns.Name
	}
	return DNS, "the name server failed on " + dns.Name
}

func security(err error) (Kind, string) {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		certificate  x509.CertificateInvalidError
		alert        tls.AlertError
		record       tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return TLS, "the server's certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		return TLS, "the server's certificate is for another host name"
	case errors.As(err, &certificate):
		return TLS, "the server's certificate is not valid: " + certificate.Error()
	case errors.As(err, &verification):
		return TLS, "the server's certificate cannot be verified"
	case errors.As(err, &alert):
		return TLS, "the TLS handshake failed: " + alert.Error()
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return TLS, "the server does not speak TLS on this port (http instead of https?)"
	}
	return None, ""
}

func connection(err error) (Kind, string) {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, "connection refused: nothing listens on that port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable, "no route to the host"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return Reset, "the server broke the connection"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		errors.As(err, &timeout) && timeout.Timeout():
		if errors.As(err, new(connected)) {
			return Silent, "it accepts connections but does not answer"
		}
		return Timeout, "no answer in time"
	}
	return None, ""
}

func protocol(err error) (Kind, string) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		saysFirst(err, "http: server closed idle connection"): // before the request was written
		return Closed, "the server closed the connection before the answer was complete"
	case saysFirst(err, "malformed HTTP"): // a status line that cannot be read
		return Protocol, "the server does not speak HTTP on this port (https instead of http?)"
	}
	return None, ""
}

// saysFirst reports whether err, or one that it wraps, begins with a text: net/http
// exports neither the types nor the values of some errors.
func saysFirst(err error, text string) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.HasPrefix(err.Error(), text) {
			return true
		}
	}
	return false
}

// Reason explains a probe's error in half a sentence: what kind of silence it
// was, or the answer that was not the right one.
func Reason(err error) string {
	kind, explanation := Of(err)
	if kind == Other || kind == None {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%s (%s)", explanation, kind)
}
