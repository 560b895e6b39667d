// Package adminkeys knows the admin keys of the Convex backend by sight: Request
// matches requests that carry one, and Answers keeps answers in which there are some
// inside. It holds no key and judges none.
package adminkeys
