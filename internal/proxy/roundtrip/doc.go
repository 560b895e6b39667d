// Package roundtrip carries a request to an upstream and the answer back where the
// two overlap: an upstream may answer before it has read the body, and may be asked
// first whether it wants one. It chooses no upstream.
package roundtrip
