package backend

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient/hostile"
)

func TestARequestEndsWhateverTheBackendDoes(t *testing.T) {
	requests := map[string]func(context.Context, *Client) error{
		"list": func(ctx context.Context, c *Client) error { _, err := c.ListEnv(ctx); return err },
		"update": func(ctx context.Context, c *Client) error {
			return c.UpdateEnv(ctx, []EnvUpdate{{Name: "A"}})
		},
		"text": func(ctx context.Context, c *Client) error { _, err := c.InstanceName(ctx); return err },
		"function": func(ctx context.Context, c *Client) error {
			_, err := c.Function(ctx, time.Hour, "a:b", nil)
			return err
		},
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			hostile.Try(t, maxAnswer, func(ctx context.Context, url string) {
				client, err := NewClient(url, testKey)
				if err != nil {
					t.Error(err)
					return
				}
				defer client.Close()
				_ = request(ctx, client)
			})
		})
	}
}

func TestAnAnswerThatIsTooLargeIsNoAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for piece := []byte(strings.Repeat(" ", 1<<20)); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	_, err := newTestClient(t, server.URL).ListEnv(t.Context())
	var unexpected *UnexpectedAnswerError
	if !errors.As(err, &unexpected) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}
