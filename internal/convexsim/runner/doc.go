// Package runner runs the functions that were pushed to a simulator, in a child
// process: Node.js or Bun with the npm package convex-test, the official in-memory
// implementation of the Convex runtime.
//
// The bundles of the push are loaded as they are. Nothing isolates one function from
// another or from the machine, nothing limits them, and every query reads all
// documents of its table: it is for demonstrations and tests.
//
// The program of the child is in the folder host, and in the binary; the packages
// that it needs are not, and are installed from its package.json and lock file into a
// folder that the simulator is given.
package runner
