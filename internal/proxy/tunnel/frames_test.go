package tunnel

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// frame builds one as RFC 6455, section 5.2 has it.
func frame(opcode byte, length int, masked bool) []byte {
	out := []byte{finalBit | opcode, 0}
	switch {
	case length < length16:
		out[1] = byte(length)
	case length <= 0xffff:
		out[1] = length16
		out = binary.BigEndian.AppendUint16(out, uint16(length))
	default:
		out[1] = length64
		out = binary.BigEndian.AppendUint64(out, uint64(length))
	}
	if masked {
		out[1] |= maskBit
		out = append(out, 1, 2, 3, 4)
	}
	return append(out, bytes.Repeat([]byte{0x88}, length)...) // looks like close frames
}

var frameLengths = []int{0, 1, 2, 125, 126, 127, 1000, 65535, 65536, 70000}

func TestFramesAreFollowedInPiecesOfAnySize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var stream []byte
	ends := map[int]bool{0: true}
	for range 300 {
		stream = append(stream, frame(byte(random.IntN(3)), frameLengths[random.IntN(len(frameLengths))], random.IntN(2) == 0)...)
		ends[len(stream)] = true
	}
	var f frames
	for at := 0; at < len(stream); {
		n := min(1+random.IntN(40), len(stream)-at)
		if random.IntN(4) == 0 {
			n = min(1+random.IntN(40000), len(stream)-at)
		}
		f.pass(stream[at : at+n])
		at += n
		if f.between() != ends[at] {
			t.Fatalf("at %d: between is %v", at, f.between())
		}
	}
	if f.closing {
		t.Error("a payload was taken for a close frame")
	}
}

func TestFinishTakesTheFrameAtHandAndNoMore(t *testing.T) {
	for _, length := range frameLengths {
		for _, masked := range []bool{false, true} {
			whole := frame(1, length, masked)
			stream := append(bytes.Clone(whole), frame(1, 5, masked)...)
			for _, seen := range []int{1, 2, 3, len(whole) / 2, len(whole) - 1} {
				if seen < 1 || seen >= len(whole) {
					continue
				}
				var f frames
				f.pass(stream[:seen])
				if n := f.finish(stream[seen:]); n != len(whole)-seen || !f.between() {
					t.Errorf("length %d masked %v, %d seen: took %d of %d", length, masked, seen, n, len(whole)-seen)
				}
			}
		}
	}
	var f frames
	if n := f.finish([]byte{0x81, 0}); n != 0 {
		t.Errorf("took %d bytes between frames", n)
	}
}

func TestCloseFrameIsNoticedWhenItIsComplete(t *testing.T) {
	var f frames
	stream := frame(opcodeClose, 2, true)
	for i := range stream {
		if f.closed() {
			t.Fatalf("closed after %d bytes", i)
		}
		f.pass(stream[i : i+1])
	}
	if !f.closed() {
		t.Error("not closed")
	}
}

func TestOwnCloseFramesAreValid(t *testing.T) {
	if got := closeFrame(); !bytes.Equal(got, []byte{0x88, 0x02, 0x03, 0xe9}) {
		t.Errorf("for a client: % x", got)
	}
	got := maskedCloseFrame()
	if len(got) != 8 || got[0] != 0x88 || got[1] != 0x82 {
		t.Fatalf("for a server: % x", got)
	}
	if a, b := got[6]^got[2], got[7]^got[3]; a != 0x03 || b != 0xe9 {
		t.Errorf("unmasked: %x %x", a, b)
	}
}
