// Package site is a visitor of a running stack: it loads the page, asks for the
// health, opens the app's socket, stores a file, and says what came back. doctor,
// the demo and whatever else looks at a stack from outside share it. It sees what
// the public sees, and with an admin key what administrators see; it starts
// nothing, changes no setting and judges no finding.
package site
