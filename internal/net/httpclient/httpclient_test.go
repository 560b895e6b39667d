package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/net/httpclient"
	"github.com/tale-project/tale-runtime/internal/net/httpclient/hostile"
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
