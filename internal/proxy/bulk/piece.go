package bulk

import "sync"

const (
	// pieceSize was chosen by measurement: half of it gains half as much, twice
	// of it nothing more.
	pieceSize = 256 << 10
	// recordRoom is for what TLS adds to a piece: 22 bytes to each record, of
	// which there are 16, and some more on a connection that begins.
	recordRoom = 4 << 10
	// maxAnswers is how many answers of one upstream are moved in pieces at a
	// time, which bounds their memory to 32 MiB.
	maxAnswers = 64
	// piecesShare is the part of the memory that the pieces of one upstream may take:
	// visitors who do not read on keep them.
	piecesShare = 16
)

// answersFor returns how many answers of one upstream are moved in pieces at a time.
func answersFor(memory uint64) int {
	return int(min(max(memory/piecesShare/(2*pieceSize), 1), maxAnswers)) //nolint:gosec // at most maxAnswers
}

// piece is the memory for one answer: read takes what the upstream sends, and
// collected what TLS makes of it.
type piece struct {
	read, collected []byte
}

// pool hands out a limited number of pieces.
type pool struct {
	slots chan struct{}
	spare sync.Pool
}

func newPool(limit int) *pool {
	return &pool{slots: make(chan struct{}, limit), spare: sync.Pool{New: func() any {
		return &piece{read: make([]byte, pieceSize), collected: make([]byte, pieceSize+recordRoom)}
	}}}
}

// take returns nil when all pieces are in use.
func (p *pool) take() *piece {
	select {
	case p.slots <- struct{}{}:
		return p.spare.Get().(*piece)
	default:
		return nil
	}
}

func (p *pool) put(one *piece) {
	p.spare.Put(one)
	<-p.slots
}
