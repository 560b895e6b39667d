// Package protocol has the forms that all routes of the backend share: failures
// and other answers, JSON bodies and their limits, the versions of clients, the
// messages of the sync WebSocket. It knows neither the state nor the server; what a
// push looks like is in package deploy2.
package protocol
