package tunnel

import (
	"encoding/binary"
	"math/rand/v2"
)

// goingAway is the status of an endpoint that goes down (RFC 6455, section
// 7.4.1).
const goingAway = 1001

const finalBit = 0x80

// closeFrame tells a client that its server is going away.
func closeFrame() []byte {
	return binary.BigEndian.AppendUint16([]byte{finalBit | opcodeClose, 2}, goingAway)
}

// maskedCloseFrame tells a server that the proxy is; what a client sends is masked (RFC
// 6455, section 5.3).
func maskedCloseFrame() []byte {
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], rand.Uint32())
	frame := append([]byte{finalBit | opcodeClose, maskBit | 2}, mask[:]...)
	status := binary.BigEndian.AppendUint16(nil, goingAway)
	for i, b := range status {
		frame = append(frame, b^mask[i])
	}
	return frame
}
