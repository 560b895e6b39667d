//go:build !race

package push

const largeBytes = 35 << 20
