package doctor_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tale-project/tale-runtime/internal/doctor"
)

func check(name string, err error) doctor.Check {
	return doctor.Check{Name: name, Fix: "mend " + name, Run: func(context.Context) (string, error) { return "seen " + name, err }}
}

func TestExamine(t *testing.T) {
	findings, healthy := doctor.Examine(t.Context(), []doctor.Check{
		check("a", nil), check("b", doctor.Warning(errors.New("odd"))), check("c", doctor.Skipped("not here")),
	})
	if !healthy {
		t.Error("a warning is no failure")
	}
	want := []doctor.Finding{{Name: "a", Verdict: doctor.OK}, {Name: "b", Verdict: doctor.Warn, Fix: "mend b"}, {Name: "c", Verdict: doctor.Skip}}
	if diff := cmp.Diff(want, findings, cmpopts.IgnoreFields(doctor.Finding{}, "Detail")); diff != "" {
		t.Error(diff)
	}
	if findings, healthy = doctor.Examine(t.Context(), []doctor.Check{check("d", errors.New("broken"))}); healthy || findings[0].Verdict != doctor.Fail {
		t.Errorf("healthy %t, %+v", healthy, findings)
	}
}

func TestOneCauseIsOneFailure(t *testing.T) {
	ran := false
	findings, healthy := doctor.Examine(t.Context(), []doctor.Check{
		check("a", errors.New("broken")), check("b", doctor.Warning(errors.New("odd"))), check("c", doctor.Skipped("not here")),
		{Name: "after a", Needs: []string{"b", "a"}, Run: func(context.Context) (string, error) { ran = true; return "", nil }},
		{Name: "after that", Needs: []string{"after a"}, Run: func(context.Context) (string, error) { ran = true; return "", nil }},
		{Name: "after b and c", Needs: []string{"b", "c"}, Run: check("b", nil).Run},
	})
	if healthy || ran {
		t.Errorf("healthy %t, ran %t", healthy, ran)
	}
	for _, i := range []int{3, 4} {
		if f := findings[i]; f.Verdict != doctor.Skip || f.Fix != "" || !strings.HasSuffix(f.Detail, "because of: a") {
			t.Errorf("%+v", f)
		}
	}
	if findings[5].Verdict != doctor.OK {
		t.Errorf("warnings and skips keep nothing from being looked at: %+v", findings[5])
	}
}

func TestTheErrorKnowsTheFix(t *testing.T) {
	findings, _ := doctor.Examine(t.Context(), []doctor.Check{check("a", doctor.Warning(doctor.WithFix(errors.New("broken"), "do that")))})
	if f := findings[0]; f.Verdict != doctor.Warn || f.Fix != "do that" || f.Detail != "broken" {
		t.Errorf("%+v", f)
	}
}

func TestCommand(t *testing.T) {
	for _, args := range [][]string{nil, {"--json"}} {
		command := doctor.Command(func() ([]doctor.Check, error) { return []doctor.Check{check("d", errors.New("broken"))}, nil })
		var out bytes.Buffer
		command.SetOut(&out)
		command.SetErr(&out)
		command.SetArgs(args)
		command.SilenceUsage = true
		if err := command.Execute(); err == nil || !strings.Contains(out.String(), "mend d") || !strings.Contains(err.Error(), "1 of 1") {
			t.Errorf("%v: %v\n%s", args, err, out.String())
		}
	}
}
