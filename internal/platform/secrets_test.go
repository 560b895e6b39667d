package platform

import "testing"

// A variable that only the operator names may be a secret, whatever it is called.
func TestFurtherVariablesAreMasked(t *testing.T) {
	s, err := openSession(base("CONVEX_ENV_SYNC_EXTRA=PAYMENTS_ACCOUNT", "PAYMENTS_ACCOUNT=acct-7d1f33"))
	if err != nil {
		t.Fatal(err)
	}
	if said := s.redactor().Redact("no account acct-7d1f33"); said != "no account [PAYMENTS_ACCOUNT]" {
		t.Error(said)
	}
}

// A name that is misspelt, or lost from the environment, takes the variable from the
// functions: that is said.
func TestAFurtherVariableThatIsNotSetIsToldOf(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	e := environ(t, sim.URL(), "CONVEX_ENV_SYNC_EXTRA=GOOD,MISSPELT", "GOOD=1")
	c := start(t, e, "push")
	if code := c.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if !c.Says("names a variable that is not set") || !c.Says("name=MISSPELT") || c.Says("name=GOOD") {
		t.Error("the warning is missing, or about another name")
	}
}
