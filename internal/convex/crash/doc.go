// Package crash explains why the backend died: from its exit status, the control
// group's counters and the last lines of its output, and keeps what it found in
// crash.log on the volume.
//
// It watches and restarts nothing, and it decides nothing: a cause is for the
// reader.
package crash
