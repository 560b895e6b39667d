// Package backup takes a project's databases and its convex volume to one file, as they
// were at one moment, and brings them back.
//
// # One moment
//
// Rows name files, and the backend writes a file before the row that names it. The
// volume is therefore copied while the site goes on, and copied again and again until
// little is left that has changed; then the processes of convex are held still, what has
// changed since is copied, and each database gives its snapshot. Held processes go on as
// soon as that is done, well before the databases are dumped from the snapshots. It is a
// helper beside the engine that holds them, by ptrace: the kernel lets them go when it
// ends, however it ends, so that nothing has to be mended after a kill. It ends with the
// connection of this process, and by itself after mostHeld.
//
// # The file
//
// A tar, encrypted as a whole by age or not at all. Large streams are cut into members of
// at most PartSize, so that neither a file nor memory is needed to know how long they
// are. manifest.json comes last: a file without one is none.
//
//	project/tale.json, project/compose.override.yml, project/.env (encrypted files only)
//	volumes/convex-data.tar.zst.000000 …   later members replace earlier ones
//	volumes/convex-data.gone               names that ended since, each with a NUL behind it
//	databases/NAME.dump.zst.000000 …       pg_dump -Fc
//	manifest.json
//
// It does not decide when, and asks nobody: that is for the command line.
package backup
