// Package assets keeps the immutable files of the web application, so that a page
// is whole and light whichever version of the application it came from.
//
//   - A page of the old version asks for parts that the new one does not have. A
//     file that the newest healthy address answers with 404 is asked of the older
//     healthy ones, and comes from here when none has it, or none is there.
//   - A kept file is compressed once, in the background and as well as brotli can,
//     instead of for each visitor, and goes to visitors without the application.
//
// A file gets here by a request of the proxy's own: without cookies, without
// credentials, for an unencoded and whole answer. A visitor's request only says
// that a file is there, and its answer is not looked into. So nothing that an
// application gives to one visitor can reach another, and a visitor never waits
// for the disk. Pages are looked through for the names of their parts as they pass,
// and kept files likewise: a part that a page loads later is here before the version
// that it belongs to is gone.
//
// What is immutable, and may be kept, is in rule.go. A new version may still have
// other bytes under an old name: after each change of the address that serves, the
// first request for a file goes to the application, and the file is compared.
//
// The package keeps no pages, no answers of APIs, and nothing that has a query. It is
// no cache for what expires.
package assets
