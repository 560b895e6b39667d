// Package dashboard runs the Convex dashboard beside the backend: what it is
// started with, when it is ready, and what is shown when it dies. At the build of
// an image it patches the dashboard for its base path.
//
// It routes nothing (package proxy does) and hands the dashboard no secret.
package dashboard
