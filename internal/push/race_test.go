//go:build race

package push

// largeBytes is smaller with the race detector, which compresses ten times slower.
const largeBytes = 2 << 20
