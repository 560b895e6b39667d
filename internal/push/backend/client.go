package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
)

const (
	dialTimeout  = 5 * time.Second
	probeTimeout = 10 * time.Second // requests that read little
	writeTimeout = 60 * time.Second // the env write re-evaluates auth.config
	// maxAnswer limits what is read of an answer. The largest is the list of
	// variables: a thousand of 8 KiB, nearly every byte of them escaped.
	maxAnswer = 16 << 20
)

// Client talks to the HTTP API of one backend with one admin key. It may be used
// by several goroutines.
type Client struct {
	// Secrets is what is taken out of the backend's words; nil for nothing.
	Secrets *redact.Redactor

	base string
	key  string
	http *http.Client
}

// NewClient returns a client for the backend at baseURL (CONVEX_URL). The admin
// key may be empty for the two requests that need none. No connection is made.
//
// The client never uses a proxy from the environment, because the backend is
// always beside us, and follows no redirect, because the admin key would go along.
func NewClient(baseURL, adminKey string) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("cannot use the backend's URL %q: it must be http://host:port or https://host", baseURL)
	}
	return &Client{
		base: strings.TrimRight(base.String(), "/"),
		key:  adminKey,
		http: httpclient.New(newTransport()),
	}, nil
}

// NewTransport returns a transport to the backend: never through a proxy of the
// environment, and byte for byte, without compression of its own.
func NewTransport() httpclient.Transport { return httpclient.Transport{Transport: newTransport()} }

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               nil,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 2 * dialTimeout,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   false,
		DisableCompression:  true,
	}
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// BaseURL returns the backend's URL without a trailing slash.
func (c *Client) BaseURL() string { return c.base }

// AdminKey returns the key that the client sends.
func (c *Client) AdminKey() string { return c.key }

// Request is one request to the backend.
type Request struct {
	Method string
	Path   string
	// Body is JSON, encoded as Encoding says; nil for none. A *bytes.Reader can be
	// sent again over a new connection when the kept one turns out to be dead.
	Body     io.Reader
	Length   int64  // of Body, where it is known and Body does not tell; 0 otherwise
	Encoding string // "" or "br"; only the deploy2 routes decode "br"
	// Anonymous leaves the admin key out.
	Anonymous bool
}

// Do sends a request and returns a 2xx answer, whose body the caller closes. Any
// other answer is an *APIError, no answer a *TransportError. The time limit is
// the context's.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, c.base+r.Path, r.Body)
	if err != nil {
		return nil, fmt.Errorf("cannot make a request: %w", err)
	}
	c.setHeaders(request, r)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.noAnswer(r, unwrapURL(err))
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody)) // the status says enough without it
	return nil, ParseAPIError(r.Method, r.Path, response.StatusCode, body, c.Secrets)
}

func (c *Client) setHeaders(request *http.Request, r Request) {
	request.Header.Set("Convex-Client", "tale-runtime-"+version.String())
	request.Header.Set("Content-Type", "application/json")
	if !r.Anonymous {
		request.Header.Set("Authorization", "Convex "+c.key)
	}
	if r.Encoding != "" {
		request.Header.Set("Content-Encoding", r.Encoding)
	}
	if r.Length > 0 {
		request.ContentLength = r.Length
	}
}

// unwrapURL drops the *url.Error, whose text repeats the whole URL.
func unwrapURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// call sends in as JSON, unless it is nil, and decodes the answer into out, unless
// that is nil.
func (c *Client) call(ctx context.Context, limit time.Duration, r Request, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if in != nil {
		body, err := encodeJSON(in)
		if err != nil {
			return err
		}
		r.Body = bytes.NewReader(body)
	}
	response, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := ReadAnswer(r, response, maxAnswer)
	if err != nil {
		return err
	}
	return c.decodeAnswer(r, body, out)
}

// ReadAnswer reads the body of an answer to r that may have at most the given
// number of bytes.
func ReadAnswer(r Request, response *http.Response, most int64) ([]byte, error) {
	body, err := httpclient.ReadAll(response, most)
	if tooLarge, is := errors.AsType[*httpclient.TooLargeError](err); is {
		return nil, &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: tooLarge.Error()}
	}
	if err != nil {
		return nil, NewTransportError(r.Method, r.Path, err)
	}
	return body, nil
}

// noAnswer redacts, too: an answer that is not HTTP is part of the error.
func (c *Client) noAnswer(r Request, err error) error {
	lost := NewTransportError(r.Method, r.Path, err)
	lost.Explanation = c.Secrets.Redact(lost.Explanation)
	return lost
}

func (c *Client) decodeAnswer(r Request, body []byte, out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = strings.TrimSpace(string(body))
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: "it is not the JSON of a Convex backend: " + firstWords(body, c.Secrets)}
	}
	return nil
}

// encodeJSON marshals without the escapes for HTML, which would only make the body
// larger.
func encodeJSON(in any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(in); err != nil {
		return nil, fmt.Errorf("cannot encode a request: %w", err)
	}
	return bytes.TrimRight(body.Bytes(), "\n"), nil
}

// UnexpectedAnswerError is a 2xx answer that this route does not give.
type UnexpectedAnswerError struct {
	Method, Path string
	Problem      string
}

// Error names the request and what is odd about the answer.
func (e *UnexpectedAnswerError) Error() string {
	return fmt.Sprintf("%s %s: unexpected answer: %s", e.Method, e.Path, e.Problem)
}
