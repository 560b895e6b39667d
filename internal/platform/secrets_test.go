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
