// Package boot is what the boots of our services have in common: it runs their
// named stages in order and shows how far they are, in the
// log, the boot report, the status port, the markers, the metrics and, when a
// boot fails, the termination message and the exit code.
//
// What the stages do is not its business, nor how processes are kept (package
// supervise), nor the command line and the user of the process (package
// entrypoint). A service describes itself with Options, lists its stages in a
// Plan and says by Ready and NotReady whether it takes traffic.
package boot
