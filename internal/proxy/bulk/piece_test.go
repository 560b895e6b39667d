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
