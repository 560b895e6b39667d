// Package migration brings what earlier releases have left in an engine to where this one
// looks for it: volumes under names of the project's own, the backend's data in a volume
// of their own, one convex in the compose project that stays, volumes that our proxy may
// write.
//
// Each migration looks at the end state that it is for (Detect), names what has to stand
// still meanwhile (RequiredStops) and does it (Apply), all of which may be done again.
// Observe and Pending change nothing; a Run stops, copies and starts again what it has
// stopped where the deploy that it is part of does not reach its end. Sources are read
// and never written, renamed or removed.
//
// It does not copy itself, which is package volume, and decides nothing about services,
// which is package rollout.
package migration
