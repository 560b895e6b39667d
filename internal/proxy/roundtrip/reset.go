package roundtrip

import (
	"errors"
	"io"
	"net/http"
	"syscall"
)

// acceptReset takes a reset for the end of an answer that only the end of the
// connection ends, where there was a body to send: a server that closes before it
// has read that resets the connection behind its answer. Any other answer that a
// reset ends was cut.
func acceptReset(r *http.Request, response *http.Response) {
	hasBody := r.Body != nil && r.Body != http.NoBody
	if hasBody && response.ContentLength < 0 && len(response.TransferEncoding) == 0 && response.ProtoMajor == 1 {
		response.Body = resetIsEnd{response.Body}
	}
}

type resetIsEnd struct{ io.ReadCloser }

func (b resetIsEnd) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF
	}
	return n, err
}
