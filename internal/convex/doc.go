// Package convex is the convex service: it boots and supervises convex-local-backend
// and its dashboard, and explains in one sentence why something does not work. It
// replaces the convex image's shell entrypoint.
//
// Boot.everything reads like the service's log: config, storage, trust, seed, backend,
// dashboard, ready. The subjects of these stages are the packages below this one,
// each with the settings it reads: volume and postgres (storage), trust, seed,
// backend, crash (why the backend died) and dashboard. They know nothing of the boot,
// which ties them together here.
//
// # Secrets
//
// The backend has no channel but its command line for the instance secret and the
// database URL with its password, and a command line is readable by every process
// that shares the PID namespace. So these two values are on the command line of that
// one process and nowhere else: they are removed from the environment of every
// child, masked in the child lines we relay, never logged, and no other command of
// ours takes a secret as an argument. Do not share the container's PID namespace
// with anything less trusted, and mount /proc with hidepid where other users run
// beside it.
//
// # Not here
//
// The service pushes nothing to the backend: functions and environment
// variables are the platform service's job (package platform). It never deletes the
// backend's modules/ and search/ folders, whatever state they are in: the
// database refers to what is in them.
package convex
