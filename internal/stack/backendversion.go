package stack

// UnknownVersion is what the backend answers at /version when its build was given
// none, as those of all published images were.
const UnknownVersion = "unknown"

// BackendAnswers says in a stage's words that the backend answers, and its version
// where it has one.
func BackendAnswers(version string) string {
	if version == "" || version == UnknownVersion {
		return "answers"
	}
	return "answers, version " + version
}
