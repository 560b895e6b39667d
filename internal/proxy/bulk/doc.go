// Package bulk moves large answers in large pieces. Caddy's reverse proxy copies
// 32 KiB at a time, and TLS makes one system call of each 16 KiB: for an answer
// of a megabyte, processes are woken up a hundred times. Here it is a dozen.
//
//   - Transport is the HTTP transport; it tells Handler of an answer whose
//     announced length is worth it
//   - Handler, right in front of the reverse proxy, copies the rest of such an
//     answer when its first piece is written
//   - Listener, below TLS, collects the records of a piece into one system call
//
// What is read is passed on at once, so nothing is held back but what net/http
// keeps of any answer, and streams, whether they announce a length or not, are left
// alone. It is not a buffer for slow visitors:
// there are no more pieces than one for each of a few answers, and the others go
// the usual way.
package bulk
