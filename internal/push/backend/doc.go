// Package backend is the client of one Convex backend: the routes of its HTTP API
// that a push needs, the shape of their answers, and its errors. Every request
// carries a time limit of the caller or of the route, goes to the backend without
// any proxy, and follows no redirect.
//
// It retries nothing and judges nothing: what an error means is for package
// diagnosis, and when to try again is the caller's decision.
package backend
