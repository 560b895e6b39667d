package convexsim

// Schema is one version of the schema of the app or of a component.
type Schema struct {
	ID        string `json:"id"`
	Component string `json:"component"` // component path
	SHA256    string `json:"sha256"`    // of the schema module
	State     string `json:"state"`
}
