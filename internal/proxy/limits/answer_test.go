package limits

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// withAnswers returns an app that has room for so many large answers.
func withAnswers(room int, patience time.Duration) *App {
	a := &App{AnswerPatience: caddy.Duration(patience)}
	a.answers.room = room
	a.metrics = newMetrics(&a.connections)
	a.refusals.log = logging.Discard()
	return a
}

func requestOf(t *testing.T, method, visitor string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	return r.WithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: visitor}))
}

// answerOf returns an upstream's answer of so many bytes; its length is announced, or not.
func answerOf(size int, announced bool) *http.Response {
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(size), Body: io.NopCloser(bytes.NewReader(make([]byte, size)))}
	if !announced {
		response.ContentLength = -1
	}
	return response
}

func TestLargeAnswersOfOneVisitorAreLimited(t *testing.T) {
	a := withAnswers(4, 0)
	var answers []*http.Response
	for _, want := range []int{200, 200, 429} {
		response := a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(largeAnswer+1, true))
		if response.StatusCode != want {
			t.Errorf("answer %d of one visitor: %d, want %d", len(answers), response.StatusCode, want)
		}
		answers = append(answers, response)
	}
	if text, err := io.ReadAll(answers[2].Body); err != nil || string(text) != "429 Too Many Requests\n" || answers[2].Header.Get("Retry-After") == "" {
		t.Errorf("the refusal: %q, %v, %v", text, answers[2].Header, err)
	}
	if got := counted(t, a.metrics.refused.WithLabelValues(string(tooManyAnswers))); got != 1 {
		t.Errorf("%v refusals are counted", got)
	}
	if response := a.Answer(requestOf(t, http.MethodGet, "198.51.100.1"), answerOf(largeAnswer+1, true)); response.StatusCode != http.StatusOK {
		t.Errorf("another visitor gets %d", response.StatusCode)
	}
	_ = answers[0].Body.Close()
	if response := a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(largeAnswer+1, true)); response.StatusCode != http.StatusOK {
		t.Errorf("when one has been taken, the next is %d", response.StatusCode)
	}
}

func TestAnswersThatNeedNoRoom(t *testing.T) {
	a := withAnswers(1, 0)
	a.answers.take(netip.Prefix{})
	for name, response := range map[string]*http.Response{
		"small":        a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(largeAnswer, true)),
		"of HEAD":      a.Answer(requestOf(t, http.MethodHead, "192.0.2.1"), answerOf(1<<30>>10, true)),
		"short stream": a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(longStream, false)),
	} {
		if _, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %v", name, response.StatusCode, err)
		}
		_ = response.Body.Close()
	}
	if a.answers.count() != 1 {
		t.Errorf("%d are counted", a.answers.count())
	}
}

func TestALongStreamCountsOnceItIsLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := withAnswers(2, 0)
		first := a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(longStream+1, false))
		if a.answers.count() != 0 {
			t.Error("it counts before anything has come")
		}
		if _, err := io.ReadAll(first.Body); err != nil || a.answers.count() != 1 {
			t.Errorf("%d are counted, %v", a.answers.count(), err)
		}
		second := a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(longStream+1, false))
		if _, err := io.ReadAll(second.Body); !errors.Is(err, errTooManyAnswers) {
			t.Errorf("one too many ends with %v", err)
		}
		_, _ = second.Body.Close(), first.Body.Close()
		if a.answers.count() != 0 {
			t.Error("they count when they are over")
		}
	})
}

// A stream that trickles for hours is taken: it does not count for what has come of it in all,
// and no longer than until its visitor has taken what came at once.
func TestAStreamThatIsTakenDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := withAnswers(2, 0)
		from, to := io.Pipe()
		go func() {
			for range 20 {
				_, _ = to.Write(make([]byte, longStream/2))
				time.Sleep(caughtUp)
			}
			_, _ = to.Write(make([]byte, 2*longStream))
			time.Sleep(caughtUp)
			_, _ = to.Write(make([]byte, 1))
		}()
		body := a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: from}).Body
		for _, part := range []struct{ size, counted int }{{10 * longStream, 0}, {2 * longStream, 1}, {1, 0}} {
			if _, err := io.ReadFull(body, make([]byte, part.size)); err != nil || a.answers.count() != part.counted {
				t.Errorf("after %d bytes more it counts %d times, %v", part.size, a.answers.count(), err)
			}
		}
		_ = body.Close()
	})
}

func TestALargeAnswerWaitsForRoom(t *testing.T) {
	a := withAnswers(2, time.Minute)
	first := a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(largeAnswer+1, true))
	second := make(chan int)
	go func() {
		second <- a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(largeAnswer+1, true)).StatusCode
	}()
	testkit.Eventually(t, "the second waits", func() bool {
		a.answers.mu.Lock()
		defer a.answers.mu.Unlock()
		return a.answers.freed != nil
	})
	_ = first.Body.Close()
	if status := <-second; status != http.StatusOK {
		t.Errorf("it is answered %d", status)
	}
}

// What one visitor may have on its way takes turns on a line of 2 Mbit/s, and what waits for
// it is no less wanted.
func TestALargeAnswerOutwaitsASlowLine(t *testing.T) {
	const line, memory = 2_000_000 / 8, 64 << 20 * 7 / 10
	before := roomForAnswers(memory) / 2 * bytesPerAnswer
	if needs := time.Duration(before) * time.Second / line; needs > defaultAnswerPatience {
		t.Errorf("%v for what comes before, %v of patience", needs, defaultAnswerPatience)
	}
}

func TestALargeFileNeedsRoom(t *testing.T) {
	a := withAnswers(2, 0)
	for i, want := range []bool{true, false} {
		w, r := httptest.NewRecorder(), requestOf(t, http.MethodGet, "192.0.2.1")
		r.ProtoMajor = 2
		r = r.WithContext(context.WithValue(r.Context(), connKey{}, &conn{app: a, network: visitorOf(r)}))
		if _, ok := a.File(w, r, largeAnswer+1); ok != want || !ok && w.Code != http.StatusTooManyRequests {
			t.Errorf("file %d: %v, %d", i, ok, w.Code)
		}
		if w.Flushed {
			t.Error("it does not wait for its turn, and a slow visitor's connection would be closed")
		}
	}
	if _, ok := a.File(httptest.NewRecorder(), requestOf(t, http.MethodGet, "192.0.2.1"), largeAnswer); !ok {
		t.Error("a small one is refused")
	}
	if _, ok := a.File(httptest.NewRecorder(), requestOf(t, http.MethodHead, "192.0.2.1"), largeAnswer+1); !ok {
		t.Error("HEAD is refused")
	}
}

// What waits holds its buffers, too.
func TestAsManyAnswersWaitAsThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := withAnswers(2, time.Minute)
		ask := func() *http.Response {
			return a.Answer(requestOf(t, http.MethodGet, "192.0.2.1"), answerOf(largeAnswer+1, true))
		}
		lies := ask()
		answered := make(chan int)
		for range 2 {
			go func() {
				response := ask()
				_ = response.Body.Close()
				answered <- response.StatusCode
			}()
		}
		synctest.Wait()
		if status := ask().StatusCode; status != http.StatusTooManyRequests {
			t.Errorf("a third that would wait is answered %d", status)
		}
		_ = lies.Body.Close()
		if first, second := <-answered, <-answered; first != http.StatusOK || second != http.StatusOK {
			t.Errorf("those that waited are answered %d and %d", first, second)
		}
		if a.answers.waits != 0 {
			t.Errorf("%d wait when all is over", a.answers.waits)
		}
	})
}
