package engine_test

import (
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// Wherever compose is killed while it replaces a container, its service has one container
// with its name afterwards.
func TestStandInsAreSettled(t *testing.T) {
	const first, second = "0123456789ab_", "ba9876543210_"
	for name, tt := range map[string]struct{ there, want []string }{
		"made":                 {[]string{"shop-db", first + "shop-db"}, []string{"shop-db"}},
		"the other is gone":    {[]string{first + "shop-db"}, []string{"shop-db"}},
		"twice":                {[]string{"shop-db", first + "shop-db", second + "shop-db"}, []string{"shop-db"}},
		"twice, the other too": {[]string{first + "shop-db", second + "shop-db"}, []string{"shop-db"}},
		"of a stand-in":        {[]string{"shop-db", first + "shop-db", second + first + "shop-db"}, []string{"shop-db"}},
		"nothing was killed":   {[]string{"shop-db", "0123_shop-db"}, []string{"0123_shop-db", "shop-db"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, e := fake(t)
			for _, there := range tt.there {
				server.AddContainer(enginetest.Container{Name: there, Image: "x:1", Labels: map[string]string{engine.LabelComposeProject: "shop"}})
			}
			server.AddContainer(enginetest.Container{Name: second + "other-db", Image: "x:1", Labels: map[string]string{engine.LabelComposeProject: "other"}})
			if err := e.Settle(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
			all, err := e.Containers(t.Context(), "shop", "other")
			var names []string
			for _, c := range all {
				names = append(names, c.Name)
			}
			want := append(slices.Clone(tt.want), second+"other-db")
			slices.Sort(want)
			if !slices.Equal(names, want) || err != nil {
				t.Errorf("%q, %v, want %q", names, err, want)
			}
		})
	}
}
