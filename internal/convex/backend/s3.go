package backend

import (
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// S3 is file storage in buckets instead of the volume. The names are those of official
// self-hosting (self-hosted/docker-build/run_backend.sh), which falls back to the
// volume where one is missing. The backend reads all of them from its environment,
// and credentials from everywhere an AWS client looks for them (crates/aws_utils).
type S3 struct {
	Exports  string        `env:"S3_STORAGE_EXPORTS_BUCKET" doc:"Bucket for what npx convex export makes. All five buckets and AWS_REGION, or none: then the backend keeps its files in the volume." accept:"the name of a bucket"`
	Imports  string        `env:"S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET" doc:"Bucket for what npx convex import sends." accept:"the name of a bucket"`
	Modules  string        `env:"S3_STORAGE_MODULES_BUCKET" doc:"Bucket for the code of functions." accept:"the name of a bucket"`
	Files    string        `env:"S3_STORAGE_FILES_BUCKET" doc:"Bucket for uploaded files." accept:"the name of a bucket"`
	Search   string        `env:"S3_STORAGE_SEARCH_BUCKET" doc:"Bucket for search indexes." accept:"the name of a bucket"`
	Region   string        `env:"AWS_REGION" doc:"Region of the buckets." accept:"the name of a region"`
	Endpoint string        `env:"S3_ENDPOINT_URL" doc:"Another service than Amazon's that speaks S3." accept:"an absolute URL"`
	KeyID    string        `env:"AWS_ACCESS_KEY_ID" doc:"Key for the buckets; without it the backend looks where AWS clients do (instance role, web identity, …)."`
	Key      config.Secret `env:"AWS_SECRET_ACCESS_KEY" secret:"true" doc:"Secret of AWS_ACCESS_KEY_ID."`
	Token    config.Secret `env:"AWS_SESSION_TOKEN" secret:"true" doc:"Session of a temporary AWS_ACCESS_KEY_ID."`

	PathStyle   bool `env:"AWS_S3_FORCE_PATH_STYLE" doc:"Name buckets in the path, as MinIO and others want it." accept:"true, false"`
	NoSSE       bool `env:"AWS_S3_DISABLE_SSE" doc:"Do not ask the service to encrypt." accept:"true, false"`
	NoChecksums bool `env:"AWS_S3_DISABLE_CHECKSUMS" doc:"Send no checksums, for services that do not know them." accept:"true, false"`
}

// Used reports whether the backend keeps its files in buckets. A region alone says
// nothing: some hosts set it for everything.
func (s S3) Used() bool {
	return s.Exports+s.Imports+s.Modules+s.Files+s.Search != ""
}

// Place names the buckets, "" for the volume.
func (s S3) Place() string {
	if !s.Used() {
		return ""
	}
	buckets := strings.Join([]string{s.Modules, s.Files, s.Search, s.Exports, s.Imports}, ", ")
	if s.Endpoint == "" {
		return buckets
	}
	return buckets + " at " + s.Endpoint
}

// Validate reports buckets that are not complete, with which the backend would not
// start, and half a key.
func (s S3) Validate() config.Problems {
	if !s.Used() {
		return nil
	}
	var problems config.Problems
	if s.Endpoint != "" {
		problems = config.CheckHTTPURL("S3_ENDPOINT_URL", s.Endpoint)
	}
	for _, needed := range [][2]string{
		{"S3_STORAGE_EXPORTS_BUCKET", s.Exports}, {"S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET", s.Imports},
		{"S3_STORAGE_MODULES_BUCKET", s.Modules}, {"S3_STORAGE_FILES_BUCKET", s.Files}, {"S3_STORAGE_SEARCH_BUCKET", s.Search},
		{"AWS_REGION", s.Region},
	} {
		if needed[1] == "" {
			problems = append(problems, config.Problem{Variable: needed[0], Wrong: "is not set, while others of the S3 storage are", Accepted: "all five S3_STORAGE_*_BUCKET and AWS_REGION, or no bucket at all"})
		}
	}
	if (s.KeyID == "") != (s.Key == "") {
		problems = append(problems, config.Problem{Variable: "AWS_ACCESS_KEY_ID", Wrong: "and AWS_SECRET_ACCESS_KEY are not both set", Accepted: "both, or neither"})
	}
	return problems
}

// export writes the settings in the form in which the backend reads them: what is
// empty counts as set there, and a switch is on only as "true".
func (s S3) export(environ config.Environ) {
	for name, value := range map[string]string{
		"AWS_REGION": s.Region, "S3_ENDPOINT_URL": s.Endpoint,
		"AWS_ACCESS_KEY_ID": s.KeyID, "AWS_SECRET_ACCESS_KEY": s.Key.Reveal(), "AWS_SESSION_TOKEN": s.Token.Reveal(),
		"AWS_S3_FORCE_PATH_STYLE":  strconv.FormatBool(s.PathStyle),
		"AWS_S3_DISABLE_SSE":       strconv.FormatBool(s.NoSSE),
		"AWS_S3_DISABLE_CHECKSUMS": strconv.FormatBool(s.NoChecksums),
	} {
		delete(environ, name+"_FILE")
		if value == "" || value == "false" {
			delete(environ, name)
		} else {
			environ[name] = value
		}
	}
}
