package engine_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// TestAHelperWhoseCreationIsNotAnswered, or after the end of who has asked, does not stay: it is
// never started, and would not remove itself.
func TestAHelperWhoseCreationIsNotAnswered(t *testing.T) {
	ended := errors.New("not needed any more")
	for name, tt := range map[string]struct {
		fault enginetest.Fault
		end   bool
	}{
		"the answer is late": {enginetest.Fault{Slow: 300 * time.Millisecond}, true},
		"the answer is lost": {enginetest.Fault{Cut: 1}, false},
	} {
		server, e := fake(t)
		server.AddContainer(enginetest.Container{Name: "x", Image: "x:1"})
		server.SetHelper(func(context.Context, string, []string, io.Reader, io.Writer, io.Writer) error { return nil })
		for what, work := range map[string]func(context.Context) error{
			"a helper": func(ctx context.Context) error {
				return e.Attend(ctx, engine.HelperOptions{Args: []string{"free"}}, engine.Streams{})
			},
			"one that is lent": func(ctx context.Context) error {
				_, release, err := e.Lend(ctx, "x:1", "none", "shop-1")
				if err == nil {
					release()
				}
				return err
			},
		} {
			ctx, end := context.WithCancelCause(t.Context())
			server.Fault("POST", "/containers/create", tt.fault, 1)
			asked := len(server.Calls())
			if tt.end {
				go func() {
					for !slices.Contains(server.Calls()[asked:], "POST /containers/create") {
						<-time.After(time.Millisecond)
					}
					end(ended)
				}()
			}
			if err := work(ctx); err == nil || tt.end && !errors.Is(err, ended) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			all, err := e.Everything(t.Context())
			for began := time.Now(); len(all) == 1 && time.Since(began) < 500*time.Millisecond; { // it may come later
				all, err = e.Everything(t.Context())
			}
			if err != nil || len(all) != 1 {
				t.Errorf("%s, %s: there are %d containers, %v", name, what, len(all), err)
			}
			server.Mend()
			end(nil)
		}
	}
}
