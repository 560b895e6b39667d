// Package boot is what the boots of our services have in common: it runs their
// named stages in order and tells everybody who looks how far they are, in the
// log, the boot report, the status port, the markers, the metrics and, when a
// boot fails, the termination message and the exit code. It has the commands
// that every entrypoint has, and gives up root before a service begins.
//
// What the stages do is not its business, nor how processes are kept (package
// supervise). A service describes itself with Options, lists its stages in a
// Plan and says by Ready and NotReady whether it takes traffic.
package boot
