package convexsim

// Function is an exported Convex function, as far as the bundled text tells.
type Function struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"` // "Query", "Mutation" or "Action"
	Internal bool   `json:"internal,omitempty"`
}
