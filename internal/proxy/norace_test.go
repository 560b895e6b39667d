//go:build !race

package proxy

const (
	spellingsHTTP1 = 100_000
	spellingsOther = 10_000
)
