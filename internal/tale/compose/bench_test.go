package compose_test

import (
	"fmt"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

func BenchmarkProduction(b *testing.B) {
	env := map[string]string{}
	for i := range 60 {
		env[fmt.Sprintf("VARIABLE_%d", i)] = "some value"
	}
	for name, override := range map[string]string{"plain": "", "override": "services: {platform: {environment: {A: b}}}"} {
		b.Run(name, func(b *testing.B) {
			o := options(b, env, override)
			for b.Loop() {
				if _, err := compose.Production(o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
