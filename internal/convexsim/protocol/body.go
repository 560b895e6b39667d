package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
)

// Body limits in bytes: the web framework's own for most routes, and the
// backend's knobs MAX_ECHO_BYTES, MAX_BACKEND_PUBLIC_API_REQUEST_SIZE,
// MAX_BACKEND_RPC_REQUEST_SIZE and HTTP_ACTION_BODY_LIMIT.
const (
	DefaultBodyLimit    = 2 << 20
	EchoBodyLimit       = 128 << 20
	PublicAPIBodyLimit  = 16<<20 + 2000
	CallbackBodyLimit   = 32 << 20
	HTTPActionBodyLimit = 20 << 20
)

// ErrBodyTooLarge is the error of reading a body beyond its limit.
var ErrBodyTooLarge = errors.New("length limit exceeded")

// OpenJSON checks that a request says it carries JSON, as every JSON route
// insists on before it reads a byte.
func OpenJSON(r *http.Request, limit int64) (io.Reader, error) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, BadRequest("BadJsonBody", "Expected request with `Content-Type: application/json`")
	}
	return LimitBody(r.Body, limit), nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	main, sub, _ := strings.Cut(kind, "/")
	return main == "application" && (sub == "json" || strings.HasSuffix(sub, "+json"))
}

// OpenPush opens a body as OpenJSON does, for the push routes, the only ones that decompress, and
// only brotli. The limit counts decompressed bytes.
func OpenPush(r *http.Request, limit int64) (io.Reader, error) {
	body, err := OpenJSON(r, limit)
	if err != nil {
		return nil, err
	}
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return body, nil
	case "br":
		return LimitBody(brotli.NewReader(r.Body), limit), nil
	default:
		f := &Failure{Status: http.StatusUnsupportedMediaType, Header: http.Header{}}
		f.Header.Set("Accept-Encoding", "br")
		return nil, f
	}
}

// ReadJSON decodes a whole small body into v.
func ReadJSON(r *http.Request, limit int64, v any) error {
	body, err := OpenJSON(r, limit)
	if err != nil {
		return err
	}
	return DecodeJSON(r.Context(), body, v)
}

// DecodeJSON decodes what OpenJSON or OpenPush opened into v.
func DecodeJSON(ctx context.Context, body io.Reader, v any) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return BodyFailure(ctx, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return BodyFailure(ctx, err)
	}
	return nil
}

// BodyFailure returns the answer to what is wrong with a JSON body, in the words of
// the backend's web framework.
func BodyFailure(ctx context.Context, err error) error {
	var syntax *json.SyntaxError
	var known *Failure
	switch {
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return TimedOut()
	case errors.Is(err, ErrBodyTooLarge):
		return BadRequest("BadJsonBody", "Failed to buffer the request body: %v", err)
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return ParseFailure(err)
	default:
		return BadRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: %v", err)
	}
}

// ParseFailure returns the answer to a body that is no JSON.
func ParseFailure(err error) error {
	return BadRequest("BadJsonBody", "Failed to parse the request body as JSON: %v", err)
}

// MissingField returns the answer to a body without a field that it must have.
func MissingField(name string) error {
	return BadRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: missing field `%s`", name)
}

// LimitBody returns a reader that fails with ErrBodyTooLarge once more than limit
// bytes were read, where io.LimitReader would end.
func LimitBody(body io.Reader, limit int64) io.Reader {
	return &limitedReader{reader: body, left: limit}
}

type limitedReader struct {
	reader io.Reader
	left   int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.reader.Read(p)
	if int64(n) > l.left {
		return 0, ErrBodyTooLarge
	}
	l.left -= int64(n)
	return n, err
}
