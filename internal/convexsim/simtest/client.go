package simtest

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// Client returns a client of the server with its admin key, which is closed at the end
// of the test.
func Client(t testing.TB, server *convexsim.Server) *backend.Client {
	t.Helper()
	client, err := backend.NewClient(server.URL(), server.AdminKey())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
