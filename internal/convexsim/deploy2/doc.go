// Package deploy2 is the push protocol of the backend, which lies under
// /api/deploy2: what its requests say, what they do to the state, and what they
// are answered. It reads no HTTP request and checks no key.
package deploy2
