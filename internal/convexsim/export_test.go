package convexsim

// What tests compare with.
const (
	APIConcurrency  = apiConcurrency
	SiteConcurrency = siteConcurrency
	ControlPrefix   = controlPrefix
	Greeting        = greeting
	NoHTTPActions   = noHTTPActions
	NotRun          = notRun
	EnvQuery        = envQuery
	EnvQueryOne     = envQueryOne
	LastPushQuery   = lastPushQuery
	ComponentsQuery = componentsQuery
	SchemasQuery    = schemasQuery
	IndexesQuery    = indexesQuery
)

// HTTPActionAnswer is what stands for the answer of an HTTP action.
type HTTPActionAnswer = httpActionAnswer

// Vmrange returns the bucket of a value.
func Vmrange(value float64) string { return vmrange(value) }

// Running returns how many requests the API port works on.
func (s *Server) Running() int { return len(s.apiPermits) }
