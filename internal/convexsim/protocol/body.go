package convexsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	defaultBodyLimit    = 2 << 20
	echoBodyLimit       = 128 << 20
	publicAPIBodyLimit  = 16<<20 + 2000
	callbackBodyLimit   = 32 << 20
	httpActionBodyLimit = 20 << 20
)

var errBodyTooLarge = errors.New("length limit exceeded")

// openJSON checks that a request says it carries JSON, as every JSON route
// insists on before it reads a byte.
func openJSON(r *http.Request, limit int64) (io.Reader, error) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, badRequest("BadJsonBody", "Expected request with `Content-Type: application/json`")
	}
	return &limitedReader{reader: r.Body, left: limit}, nil
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	main, sub, _ := strings.Cut(kind, "/")
	return main == "application" && (sub == "json" || strings.HasSuffix(sub, "+json"))
}

// openPush is openJSON for the push routes, the only ones that decompress, and
// only brotli. The limit counts decompressed bytes.
func (s *Server) openPush(r *http.Request) (io.Reader, error) {
	body, err := openJSON(r, s.options.MaxPushBytes)
	if err != nil {
		return nil, err
	}
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return body, nil
	case "br":
		return &limitedReader{reader: brotli.NewReader(r.Body), left: s.options.MaxPushBytes}, nil
	default:
		f := &failure{status: http.StatusUnsupportedMediaType, header: http.Header{}}
		f.header.Set("Accept-Encoding", "br")
		return nil, f
	}
}

// readJSON decodes a whole small body into v.
func readJSON(r *http.Request, limit int64, v any) error {
	body, err := openJSON(r, limit)
	if err != nil {
		return err
	}
	return decodeJSON(r.Context(), body, v)
}

func decodeJSON(ctx context.Context, body io.Reader, v any) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return bodyFailure(ctx, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return bodyFailure(ctx, err)
	}
	return nil
}

// bodyFailure tells apart what can be wrong with a JSON body, in the words of
// the backend's web framework.
func bodyFailure(ctx context.Context, err error) error {
	var syntax *json.SyntaxError
	var malformed *malformedJSON
	var known *failure
	switch {
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return timedOut()
	case errors.Is(err, errBodyTooLarge):
		return badRequest("BadJsonBody", "Failed to buffer the request body: %v", err)
	case errors.As(err, &syntax), errors.As(err, &malformed), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return badRequest("BadJsonBody", "Failed to parse the request body as JSON: %v", err)
	default:
		return badRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: %v", err)
	}
}

func missingField(name string) error {
	return badRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: missing field `%s`", name)
}

func timedOut() error { return &failure{status: http.StatusRequestTimeout} }

// limitedReader fails once more than left bytes were read, where io.LimitReader
// would end.
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
		return 0, fmt.Errorf("%w", errBodyTooLarge)
	}
	l.left -= int64(n)
	return n, err
}
