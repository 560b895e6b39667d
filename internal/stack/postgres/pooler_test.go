package postgres

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
)

// A pooler in transaction mode answers two connections by one process of the server, which a
// server by itself never does.
func TestSharesConnections(t *testing.T) {
	pooler := postgrestest.Start(t, func(f *postgrestest.Server) { f.Facts = []string{"4711"} })
	if !loginTo(pooler, stack.SSLPrefer, "").SharesConnections(t.Context()) {
		t.Error("a pooler is not seen")
	}
	refusing := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("53300", "too many clients") })
	for _, server := range []*postgrestest.Server{postgrestest.Start(t, nil), refusing} {
		if loginTo(server, stack.SSLPrefer, "").SharesConnections(t.Context()) {
			t.Error("a pooler is seen where nothing is known")
		}
	}
}
