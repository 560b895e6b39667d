// Package supervise runs processes for a container's entrypoint: it starts
// children in their own process group, relays their output, stops them step by
// step, restarts them within a budget and reaps orphans as PID 1 or as child
// subreaper. It is not a general service manager: services have no dependencies
// on each other and no configuration of their own.
//
// # Who collects which child
//
// One table per process knows every child that Start made. The lock of the
// table is held across fork and registration, and also while the table looks
// for dead children, so a child cannot die unseen. Looking means waitid with
// WNOWAIT, which shows a dead child without collecting it. A child of ours is
// then collected for its owner, and so is an orphan out of a group of ours. Any
// other dead child may be one that a library is about to collect: it is left to
// that for a moment before it counts as an orphan. Nothing here calls
// wait4(-1).
//
// # When a child is over
//
// A child is over (Done) when its leader was collected, no process is left in
// its group and its output was read to the end. What a child that was not stopped
// leaves in its group is killed: it would hold the port or the files that the
// next process needs. When a child is stopped, its group is waited for as long
// as its leader would be. A process that left the group and holds the output
// open delays the end by outputDelay at most; it is killed when the supervisor
// ends.
//
// # When this process is killed
//
// As PID 1 it takes everything with it. Otherwise the kernel kills its children
// (PR_SET_PDEATHSIG), with SIGKILL because no process would be left to insist. The
// kernel does that when the thread that forked ends, which is why all forks
// happen on one thread that lives as long as the process. Descendants of those
// children are not reached: run in a container, where they are.
package supervise
