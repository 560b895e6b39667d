package bulk

import "testing"

func TestPiecesAreLimited(t *testing.T) {
	p := newPool(2)
	first, second := p.take(), p.take()
	if first == nil || second == nil || first == second {
		t.Fatal("too few pieces")
	}
	if p.take() != nil {
		t.Error("more pieces than allowed")
	}
	p.put(first)
	if p.take() == nil {
		t.Error("a piece that was given back is gone")
	}
}

func TestPiecesTakeAPartOfTheMemory(t *testing.T) {
	for memory, want := range map[uint64]int{1 << 20: 1, 64 << 20: 8, 256 << 20: 32, 512 << 20: maxAnswers, 64 << 30: maxAnswers} {
		if got := answersFor(memory); got != want {
			t.Errorf("%d MiB: %d answers, want %d", memory>>20, got, want)
		}
	}
}
