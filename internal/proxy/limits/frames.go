package limits

import (
	"encoding/binary"
	"time"

	"golang.org/x/net/http2"
)

// Frames cost the server some microseconds each, whatever is in them. What a
// connection may spend is counted in small frames.
const (
	mostSaved = 4000 // frames at once: more streams than a page has, reset
	perSecond = 1000 // earned by waiting

	// bytesPerFrame of a body, in either direction, or of a header earn a frame.
	bytesPerFrame = 64
	// requestEarns allows for what comes with a request: windows, a ping.
	requestEarns = 4
	// resetCosts: behind it is a request that was begun for nothing.
	resetCosts = 10
	// continuationCosts: clients send 16 KiB at a time, and 64 KiB are all.
	continuationCosts = 50
	// settingSize is of one setting, each of which may concern every stream.
	settingSize = 6
)

const (
	prefaceSize     = len(http2.ClientPreface)
	frameHeaderSize = 9
)

// budget is what the frames of one connection may still cost. Resets are paid for apart,
// by waiting and by taking answers: what a client sends is cheap for it, and a long header
// that is reset at once would pay for its own reset.
type budget struct {
	saved, resets int64
	at            time.Time // when they were filled up
}

func newBudget(now time.Time) budget { return budget{saved: mostSaved, resets: mostSaved, at: now} }

// spend pays for a frame and reports whether it could.
func (b *budget) spend(kind http2.FrameType, length int64, earned func() int64) bool {
	from := &b.saved
	if kind == http2.FrameRSTStream {
		from = &b.resets
	}
	if *from = min(*from-costOf(kind, length), mostSaved); *from >= 0 {
		return true
	}
	more := earned()
	b.saved, b.resets = min(b.saved+more, mostSaved), min(b.resets+more, mostSaved)
	return *from >= 0
}

// earned returns what is granted for the time that has passed and the bytes that were sent.
func (b *budget) earned(now time.Time, sent int64) int64 {
	passed := now.Sub(b.at)
	b.at = now
	return min(int64(passed*perSecond/time.Second)+sent/bytesPerFrame, mostSaved)
}

// costOf a frame; less than nothing if it brings more than it costs.
func costOf(kind http2.FrameType, length int64) int64 {
	switch kind {
	case http2.FrameData:
		return 1 - length/bytesPerFrame
	case http2.FrameHeaders:
		return 1 - requestEarns - length/bytesPerFrame
	case http2.FrameContinuation:
		return continuationCosts - length/bytesPerFrame
	case http2.FrameRSTStream:
		return resetCosts
	case http2.FrameSettings:
		return 1 + length/settingSize
	default:
		return 1
	}
}

// frames follows what a client sends, whatever pieces it is read in.
type frames struct {
	skip   int // bytes that are of no interest: the preface, a frame's payload
	header [frameHeaderSize]byte
	got    int // bytes of header
}

func newFrames() frames { return frames{skip: prefaceSize} }

// follow calls seen for each frame that begins in p, until it reports false.
func (f *frames) follow(p []byte, seen func(kind http2.FrameType, length int64) bool) bool {
	for {
		n := min(f.skip, len(p))
		f.skip -= n
		p = p[n:]
		if len(p) == 0 {
			return true
		}
		n = copy(f.header[f.got:], p)
		f.got += n
		p = p[n:]
		if f.got < frameHeaderSize {
			return true
		}
		f.got = 0
		length := binary.BigEndian.Uint32(f.header[:]) >> 8
		f.skip = int(length)
		if !seen(http2.FrameType(f.header[3]), int64(length)) {
			return false
		}
	}
}
