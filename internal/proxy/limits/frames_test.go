package limits

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

type seenFrame struct {
	kind   http2.FrameType
	length int64
}

func TestFramesAreFollowedInWhateverPiecesTheyCome(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		stream := bytes.NewBufferString(http2.ClientPreface)
		framer := http2.NewFramer(stream, nil)
		var want []seenFrame
		for range random.IntN(20) {
			f := seenFrame{http2.FrameType(random.IntN(12)), int64(random.IntN(100))}
			if random.IntN(10) == 0 {
				f.length += 1 << 16
			}
			want = append(want, f)
			if err := framer.WriteRawFrame(f.kind, http2.Flags(random.Uint32()), random.Uint32()>>1, make([]byte, f.length)); err != nil {
				t.Fatal(err)
			}
		}
		var got []seenFrame
		frames := newFrames()
		for data := stream.Bytes(); len(data) > 0; {
			n := min(1+random.IntN(1+random.IntN(1000)), len(data))
			frames.follow(data[:n], func(kind http2.FrameType, length int64) bool {
				got = append(got, seenFrame{kind, length})
				return true
			})
			data = data[n:]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("saw %v, want %v", got, want)
		}
	}
}

// paid returns how many of the frames a connection can pay for at once.
func paid(most int, frame func(n int) seenFrame) int {
	b := newBudget(time.Now())
	for n := range most {
		f := frame(n)
		if !b.spend(f.kind, f.length, func() int64 { return 0 }) {
			return n
		}
	}
	return most
}

func TestFloodsEndSoon(t *testing.T) {
	const flood = 2_000_000
	for kind := range http2.FrameType(64) {
		if kind == http2.FrameHeaders {
			continue // a request is work that was asked for
		}
		for _, length := range []int64{0, 1, 5, 8, 60} {
			if n := paid(flood, func(int) seenFrame { return seenFrame{kind, length} }); n > mostSaved {
				t.Errorf("%v of %d bytes: %d pass", kind, length, n)
			}
		}
	}
	mixed := func(n int) seenFrame { return seenFrame{http2.FrameType(2 + n%8), 0} }
	if n := paid(flood, mixed); n > mostSaved {
		t.Errorf("of all kinds in turn, %d pass", n)
	}
	for _, length := range []int64{20, 500, 16 << 10} { // nor do long headers, or bodies, pay for the resets behind them
		for _, begun := range [][]http2.FrameType{{http2.FrameHeaders}, {http2.FrameHeaders, http2.FrameData}, {http2.FrameHeaders, http2.FrameContinuation}} {
			request := append(begun, http2.FrameRSTStream)
			reset := func(n int) seenFrame { return seenFrame{request[n%len(request)], length} }
			if n := paid(flood, reset) / len(request); n > mostSaved/resetCosts {
				t.Errorf("%d requests of %v with %d bytes are reset at once", n, begun, length)
			}
		}
	}
	if n := paid(flood, func(int) seenFrame { return seenFrame{http2.FrameContinuation, 0} }); n > 100 {
		t.Errorf("%d empty continuations pass", n)
	}
}

func TestOrdinaryTrafficIsFree(t *testing.T) {
	const long = 100_000
	for name, frame := range map[string]func(n int) seenFrame{
		"an upload":                  func(int) seenFrame { return seenFrame{http2.FrameData, 16 << 10} },
		"an upload in small pieces":  func(int) seenFrame { return seenFrame{http2.FrameData, bytesPerFrame} },
		"requests":                   func(int) seenFrame { return seenFrame{http2.FrameHeaders, 20} },
		"requests with two windows":  func(n int) seenFrame { return seenFrame{[]http2.FrameType{1, 8, 8}[n%3], 4} },
		"a ping with each request":   func(n int) seenFrame { return seenFrame{[]http2.FrameType{1, 6}[n%2], 8} },
		"priorities of each request": func(n int) seenFrame { return seenFrame{[]http2.FrameType{1, 2, 2}[n%3], 5} },
		"the largest headers": func(n int) seenFrame {
			return []seenFrame{{http2.FrameHeaders, 16 << 10}, {http2.FrameContinuation, 16 << 10}, {http2.FrameContinuation, 16 << 10}, {http2.FrameContinuation, 16 << 10}}[n%4]
		},
	} {
		if n := paid(long, frame); n != long {
			t.Errorf("%s: ended after %d frames", name, n)
		}
	}
	for name, frame := range map[string]func(n int) seenFrame{
		"a page that is left":             func(int) seenFrame { return seenFrame{http2.FrameRSTStream, 4} },
		"headers in pieces of a kilobyte": func(int) seenFrame { return seenFrame{http2.FrameContinuation, 1 << 10} },
	} {
		if n := paid(100, frame); n != 100 {
			t.Errorf("%s: ended after %d frames", name, n)
		}
	}
}

func TestWhatIsSentAndTimeEarn(t *testing.T) {
	began := time.Now()
	spend := func(every time.Duration, sent int64, frames int) bool {
		b, now := newBudget(began), began
		for range frames {
			now = now.Add(every)
			if !b.spend(http2.FramePing, 0, func() int64 { return b.earned(now, sent) }) {
				return false
			}
		}
		return true
	}
	if !spend(time.Millisecond, 0, 100_000) {
		t.Error("a thousand pings a second are too many")
	}
	if spend(time.Millisecond/10, 0, 100_000) {
		t.Error("ten thousand pings a second are not")
	}
	// A download: what is sent is counted between two looks at it.
	b, sent := newBudget(began), int64(0)
	for range 100_000 {
		sent += 1 << 10
		earned := func() int64 { earned := b.earned(began, sent); sent = 0; return earned }
		for range 2 {
			if !b.spend(http2.FrameWindowUpdate, 4, earned) {
				t.Fatal("a download with two windows for each kilobyte is ended")
			}
		}
		if !b.spend(http2.FrameRSTStream, 4, earned) {
			t.Fatal("requests that are reset after a kilobyte of the answer are too many")
		}
	}
}
