package convexsim_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

// withComponent adds the component lib/limiter to a push, with some fields of it
// replaced.
func withComponent(push object, fields object) object {
	component := object{
		"definitionPath": "lib/limiter", "dependencies": []string{}, "udfServerVersion": "1.32.0",
		"definition": module("convex.config.js", `n(se,"defineComponent");var Qs=se("rateLimiter");export{Qs as default};`),
		"schema":     module("schema.js", schemaSource), "functions": []object{function("lib.js", "limit")},
	}
	for key, value := range fields {
		component[key] = value
	}
	changed := change(push, object{"definition": module("convex.config.js", usingTwice), "dependencies": []string{"lib/limiter"}})
	changed["componentDefinitions"] = []object{component}
	return changed
}

func TestComponentsAreInstalledByName(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	started := mustStart(t, s, withComponent(newPush(s), nil))
	children := dig(started, "app", "childComponents")
	second := dig(children, "second")
	if dig(children, "rateLimiter") == nil || dig(second, "definitionPath") != "lib/limiter" || dig(second, "componentPath") != "second" {
		t.Fatalf("the app's children are %v", children)
	}
	definition := dig(started, "analysis", "lib/limiter", "definition")
	if kind := dig(definition, "definitionType"); dig(kind, "type") != "childComponent" || dig(kind, "name") != "rateLimiter" {
		t.Errorf("definition %v", definition)
	}
	change := dig(started, "schemaChange")
	ids := dig(change, "allocatedComponentIds")
	if size(ids) != 3 || dig(ids, "second") == dig(ids, "rateLimiter") || size(change, "schemaIds") != 3 {
		t.Errorf("schemaChange %v", change)
	}
	answer := success(t, finishPush(t, s, started))
	for componentPath, diff := range objectAt(answer, "componentDiffs") {
		if kind := dig(diff, "diffType", "type"); kind != "create" {
			t.Errorf("%q: %v", componentPath, kind)
		}
	}
	if got := s.State().Components["second"].Definition; got != "lib/limiter" {
		t.Errorf("second is of %q", got)
	}
}

func TestComponentsAreUnmountedAndMountedAgain(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	with, without := withComponent(newPush(s), nil), newPush(s)
	kind := func(answer object) any { return dig(answer, "componentDiffs", "second", "diffType", "type") }
	deploy(t, s, with)
	id := s.State().Components["second"].ID
	for _, step := range []struct {
		push object
		want string
	}{{with, "modify"}, {without, "unmount"}, {with, "remount"}} {
		if got := kind(deploy(t, s, step.push)); got != step.want {
			t.Errorf("got %v, want %s", got, step.want)
		}
	}
	if got := s.State().Components["second"]; got.ID != id || got.Unmounted {
		t.Errorf("mounted again as %+v, was %s", got, id)
	}
	deploy(t, s, without)
	if again := deploy(t, s, without); dig(again, "componentDiffs", "second") != nil {
		t.Error("an unmounted component is unmounted again")
	}
}

func TestAComponentThatWasNotPushed(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := withComponent(newPush(s), nil)
	push["componentDefinitions"] = []any{}
	wantFailure(t, "missing component", post(t, s, startPushPath, push), 400, "InvalidConvexConfig")
	self := withComponent(newPush(s), object{"dependencies": []string{"lib/limiter"}})
	wantFailure(t, "cycle", post(t, s, startPushPath, self), 400, "CyclicImport")
}

func TestADependencyWhoseUseCannotBeReadIsMountedUnderItsOwnName(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := change(withComponent(newPush(s), nil), object{"definition": module("convex.config.js", "obscure()")})
	deploy(t, s, push)
	if _, ok := s.State().Components["rateLimiter"]; !ok {
		t.Errorf("components %v", s.State().Components)
	}
}
