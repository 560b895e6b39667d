// Package diagnosis says what a failure of a push means: an Observation, made of
// facts from the wire or about a process, is looked up in a catalogue of causes,
// fixes and ways to retry. The catalogue is the rows_*.go files; docs/diagnostics.md
// is generated from it. A Failure is a diagnosis with everything else that its
// reader needs.
//
// It sends nothing and waits for nothing, and it never reads printed text.
package diagnosis
