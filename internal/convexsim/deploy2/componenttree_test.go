package deploy2

import (
	"slices"
	"testing"
)

func TestNestedComponentsHaveAPath(t *testing.T) {
	uses := map[string][]instance{"": {{"a", "x"}}, "x": {{"b", "y"}, {"c", "y"}}}
	var visited []string
	(&componentTree{uses: uses}).walk(func(componentPath, _ string) { visited = append(visited, componentPath) })
	if want := []string{"", "a", "a/b", "a/c"}; !slices.Equal(visited, want) {
		t.Errorf("visited %q, want %q", visited, want)
	}
}
