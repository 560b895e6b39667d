package backend

import (
	"errors"
	"net/http"
	"testing"
)

// Newer backends accept every key here and say what it may do.
func TestCheckAdminKeyOfANewerBackend(t *testing.T) {
	for body, want := range map[string]string{
		`{"success":true,"allowedOps":[],"isReadOnly":false}`:                                                                       "",
		`{"success":true,"allowedOps":["ViewData"],"isReadOnly":true}`:                                                              "ReadOnlyAdminKey",
		`{"success":true,"allowedOps":["ViewData","Deploy"],"isReadOnly":false}`:                                                    "OperationNotPermitted: the key does not allow ViewEnvironmentVariables, WriteEnvironmentVariables",
		`{"success":true,"allowedOps":["ViewData","Deploy","ViewEnvironmentVariables","WriteEnvironmentVariables","SomethingNew"]}`: "",
	} {
		client, _ := answer(t, http.StatusOK, body)
		err := client.CheckAdminKey(t.Context())
		var refused *APIError
		got := ""
		if errors.As(err, &refused) {
			got = refused.Code
			if refused.Code == "OperationNotPermitted" {
				got += ": " + refused.Message
			}
		}
		if got != want || err != nil && refused == nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}
