//go:build race

package proxy

// With the race detector everything takes ten times as long.
const (
	spellingsHTTP1 = 4_000
	spellingsOther = 1_000
)
