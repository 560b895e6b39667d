package requestfile

import (
	"bytes"
	"errors"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/andybalholm/brotli/matchfinder"
)

// A brotli stream (RFC 7932, section 9) is a header and meta-blocks, up to one that is
// the last. A decoder keeps four things from one meta-block to the next: the bits up
// to the next byte, what was written so far, the last four distances, and the last two
// bytes, which may choose the codes of literals. A fragment is meta-blocks that begin
// and end with a byte and use none of them from before, nor the static dictionary,
// whose distances depend on how much was written. So fragments can follow each other
// in any order.
//
// The library's newer compressor writes such meta-blocks: it knows no dictionary, it
// chooses no codes by literals, and of the last distances it uses those that it has
// written itself in the same meta-block. That it does is checked where pieces are
// written (see verifyPieces).

// streamHead begins a stream of fragments: a window of 16 MiB, as the compressor
// says, then an empty meta-block of metadata, which ends with a byte. streamEnd is
// the last meta-block, an empty one.
var (
	streamHead = []byte{0x6f, 0x00}
	streamEnd  = []byte{0x03}
)

// fragmentQuality is the compressor's best: it is the image build that waits.
const fragmentQuality = 9

// fragmenter compresses texts to fragments.
type fragmenter struct {
	writer *matchfinder.Writer
	stream bytes.Buffer
}

func newFragmenter() *fragmenter {
	f := &fragmenter{}
	f.writer = brotli.NewWriterV2(&f.stream, fragmentQuality)
	return f
}

// fragment compresses a text: the stream of it alone, without its header of four bits
// and with an empty meta-block of metadata in place of its end.
func (f *fragmenter) fragment(text []byte) ([]byte, error) {
	f.stream.Reset()
	f.writer.Reset(&f.stream)
	_, err := f.writer.Write(text)
	if err = errors.Join(err, f.writer.Close()); err != nil {
		return nil, err
	}
	stream := f.stream.Bytes()
	size := len(stream)
	if size == 0 || stream[0]&0x0f != streamHead[0]&0x0f || stream[size-1] == 0 {
		return nil, errors.New("the compressor wrote another header or end than expected")
	}
	// The last two bits that are set say: last meta-block, and empty.
	end := 8*(size-1) + bits.Len8(stream[size-1]) - 2
	fragment := make([]byte, 0, size+1)
	for at := 4; at < end; at += 8 {
		fragment = append(fragment, byteAt(stream, at, end))
	}
	used := (end - 4) % 8
	const metadata, metadataBits = 0b000110, 6
	switch {
	case used == 0:
		fragment = append(fragment, metadata)
	case used+metadataBits <= 8:
		fragment[len(fragment)-1] |= metadata << used
	default:
		fragment[len(fragment)-1] |= byte(metadata << used & 0xff)
		fragment = append(fragment, metadata>>(8-used))
	}
	return fragment, nil
}

// byteAt returns the eight bits from a bit on, and zeros for those from end on.
func byteAt(stream []byte, at, end int) byte {
	two := uint16(stream[at/8])
	if at/8+1 < len(stream) {
		two |= uint16(stream[at/8+1]) << 8
	}
	b := byte(two >> (at % 8))
	if end-at < 8 {
		b &= 1<<(end-at) - 1
	}
	return b
}

// maxStored is how long a meta-block of stored text may be with a length of 16 bits.
const maxStored = 1 << 16

// Stored returns a text as a fragment that is not compressed.
func Stored(text []byte) []byte {
	fragment := make([]byte, 0, len(text)+3*(len(text)/maxStored+1))
	for len(text) > 0 {
		n := min(len(text), maxStored)
		head := (n-1)<<3 | 1<<19
		fragment = append(append(fragment, byte(head), byte(head>>8), byte(head>>16)), text[:n]...)
		text = text[n:]
	}
	return fragment
}
