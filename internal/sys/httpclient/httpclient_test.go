package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient/hostile"
)

const most = 1 << 20

func TestAnAnswerEndsWithItsContext(t *testing.T) {
	client := httpclient.New(&http.Transport{})
	t.Cleanup(client.CloseIdleConnections)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			hostile.Try(t, most, func(ctx context.Context, url string) {
				request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("body"))
				if err != nil {
					t.Error(err)
					return
				}
				response, err := client.Do(request)
				if err != nil {
					return
				}
				_, _ = httpclient.ReadAll(response, most)
				_ = response.Body.Close()
			})
		})
	}
}

func TestReadAllTakesTheWholeOrNothing(t *testing.T) {
	for length, want := range map[int]int{0: 0, most: most, most + 1: 0} {
		for _, announced := range []int64{int64(length), -1} {
			response := &http.Response{ContentLength: announced, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", length)))}
			body, err := httpclient.ReadAll(response, most)
			var tooLarge *httpclient.TooLargeError
			if len(body) != want || errors.As(err, &tooLarge) != (length > most) {
				t.Errorf("%d of %d bytes, %v", len(body), length, err)
			}
		}
	}
}

// An answer without an end takes no more than its limit, and one that breaks off is
// not taken for whole.
func TestReadAllIsBounded(t *testing.T) {
	const most = 16 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := httpclient.ReadAll(&http.Response{ContentLength: -1, Body: io.NopCloser(iotest.HalfReader(endless{}))}, most)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.As(err, new(*httpclient.TooLargeError)) || took > most+most/4 {
		t.Errorf("%v, %d bytes", err, took)
	}
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("reset")} {
		body := io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(broken))
		if got, err := httpclient.ReadAll(&http.Response{ContentLength: 10, Body: io.NopCloser(body)}, most); !errors.Is(err, broken) || string(got) != "begin" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestLocalAddr(t *testing.T) {
	for listen, want := range map[string]string{":9180": "127.0.0.1:9180", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "10.0.0.1:1": "10.0.0.1:1"} {
		if got := httpclient.LocalAddr(listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}
