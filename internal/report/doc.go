// Package report is the boot report: one JSON document that says what a
// container's boot did, stage by stage, and why it failed. The same facts feed
// TALE_RUN_DIR/platform-report.json, the status port, the status command and
// /dev/termination-log. The package keeps and writes the document; what goes
// into it is decided by the stages themselves.
//
// It knows no service. What a stage found goes into a section (Document.Set) of a
// type that the stage's own package defines, and an error that can explain itself
// is Explained.
package report
