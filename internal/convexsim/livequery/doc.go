// Package livequery is the sync protocol: a client says which queries it watches and
// gets their results whenever these change, and calls mutations and actions on the
// same WebSocket. It knows neither documents nor how functions run.
package livequery
