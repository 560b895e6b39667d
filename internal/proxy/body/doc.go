// Package body watches the bodies of requests, so that a fault of the visitor's is not
// taken for one of the upstream's (Handler, Fault), and a body of which something was
// read is not sent again (Whole). How fast a body must come is for package limits.
package body
