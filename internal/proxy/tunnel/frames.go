package tunnel

import "encoding/binary"

// Bits of a frame header: RFC 6455, section 5.2.
const (
	opcodeBits  = 0x0f
	opcodeClose = 0x8
	maskBit     = 0x80
	lengthBits  = 0x7f
	length16    = 126 // the length is in the next 2 bytes
	length64    = 127 // the length is in the next 8 bytes
)

// maxHeader is the longest frame header: 2 bytes, 8 of length, 4 of mask.
const maxHeader = 14

// frames follows the frames of one direction of a WebSocket.
type frames struct {
	header  [maxHeader]byte
	have    int    // bytes of the header seen; zero between frames and in a payload
	payload uint64 // bytes of the payload still to come
	closing bool   // the frame at hand, or one before it, is a close frame
}

// between reports whether the stream is at the end of a frame, where another
// frame may begin.
func (f *frames) between() bool { return f.have == 0 && f.payload == 0 }

// closed reports whether a close frame has passed, after which this direction
// must not carry another frame.
func (f *frames) closed() bool { return f.closing && f.between() }

// pass follows all of p.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		p = p[f.step(p):]
	}
}

// finish follows p to the end of the frame at hand and returns how many bytes
// that took. They are none if the stream is between frames.
func (f *frames) finish(p []byte) int {
	taken := 0
	for taken < len(p) && !f.between() {
		taken += f.step(p[taken:])
	}
	return taken
}

// step takes some of p, at least one byte: of the payload as much as there is,
// of a header one byte.
func (f *frames) step(p []byte) int {
	if f.payload > 0 {
		n := min(f.payload, uint64(len(p)))
		f.payload -= n
		return int(n)
	}
	f.header[f.have] = p[0]
	f.have++
	if f.have >= 2 && f.have == f.headerLength() {
		f.begin()
	}
	return 1
}

// headerLength returns what is known once the first two bytes are there.
func (f *frames) headerLength() int {
	length := 2
	switch f.header[1] & lengthBits {
	case length16:
		length += 2
	case length64:
		length += 8
	}
	if f.header[1]&maskBit != 0 {
		length += 4
	}
	return length
}

// begin reads the complete header.
func (f *frames) begin() {
	switch length := f.header[1] & lengthBits; length {
	case length16:
		f.payload = uint64(binary.BigEndian.Uint16(f.header[2:]))
	case length64:
		f.payload = binary.BigEndian.Uint64(f.header[2:])
	default:
		f.payload = uint64(length)
	}
	f.closing = f.closing || f.header[0]&opcodeBits == opcodeClose
	f.have = 0
}
