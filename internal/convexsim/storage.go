package convexsim

// fileStore keeps uploads as files.
type fileStore struct{ folder string }
