// Package volume copies one volume of a Docker engine into another and proves that the
// copy is one: every byte is read back, every owner, mode, date, extended attribute and
// link compared, and only then is the copy marked as finished. It does so beside the
// engine, in a helper container (engine.RunHelper) that runs this package's Helper.
//
// A copy that is killed goes on where it was. Nothing is written into a volume that holds
// what this package has not put there from the same source, and nothing is ever written
// into the source. It does not decide which volumes are copied, or when: see package
// migration.
//
// # Where the mark is
//
// The mark is an extended attribute of the copy's own root folder. It lives and dies with
// the volume, cannot collide with a file of the source, and no service sees it: initdb,
// for one, refuses a folder with a single foreign file in it. It names both volumes, so
// that one which cp -a or a backup has carried into a third volume says nothing there.
// File systems without such attributes (some NFS, ramfs) get a file instead.
package volume
