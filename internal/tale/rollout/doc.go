// Package rollout brings a project from what the engine runs to what its files ask for.
//
// Observe gathers what runs (State), Resolve what is asked for (Target), and NewPlan, a
// pure function of both, says what is to be done: the plan is printed by a dry run and
// carried out by Run, the very same value, so no decision is taken elsewhere. A rollback
// is a plan whose target is an earlier release.
//
// A service that rotates is started in its other colour beside the one that serves.
// There is one point of no return, when the proxy offers the new colour first and the
// site answers through it: before it, whatever fails or is interrupted is taken back and
// what served goes on serving; after it nothing of the new colour is. Every step ends on
// what the engine or the service says, never on a pause, and may be done again, so that
// another run finishes what a killed one has left.
//
// It knows no API of an engine and no YAML: those are packages engine and compose.
package rollout
