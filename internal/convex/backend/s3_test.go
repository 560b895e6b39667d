package backend

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

var s3Needs = []string{
	"S3_STORAGE_EXPORTS_BUCKET", "S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET", "S3_STORAGE_MODULES_BUCKET",
	"S3_STORAGE_FILES_BUCKET", "S3_STORAGE_SEARCH_BUCKET", "AWS_REGION",
}

func withS3(e config.Environ) config.Environ {
	for _, name := range s3Needs {
		e[name] = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	}
	return e
}

func TestS3InThePlaceOfTheVolume(t *testing.T) {
	got := argv(t, withS3(environ()))
	if !slices.Contains(got, "--s3-storage") || slices.Contains(got, "--local-storage") {
		t.Errorf("got %q", got)
	}
	if got := argv(t, environ("AWS_REGION", "eu-central-1", "AWS_ACCESS_KEY_ID", "AKIA", "S3_ENDPOINT_URL", "")); slices.Contains(got, "--s3-storage") {
		t.Errorf("a region made it S3: %q", got)
	}
}

// Every part of the names: any set of them that has a bucket is complete or refused
// with exactly those that are missing.
func TestAPartOfS3IsRefusedWithWhatIsMissing(t *testing.T) {
	for set := range 1 << len(s3Needs) {
		e := environ()
		var missing []string
		for i, name := range s3Needs {
			if set&(1<<i) != 0 {
				e[name] = "x"
			} else {
				missing = append(missing, name)
			}
		}
		var b Backend
		err := config.Load(&b, e)
		if set&31 == 0 || len(missing) == 0 { // no bucket, or everything
			if err != nil {
				t.Errorf("%v is refused: %v", e, err)
			}
			continue
		}
		for _, name := range s3Needs {
			if got := err != nil && strings.Contains(err.Error(), name+" is not set"); got != slices.Contains(missing, name) {
				t.Errorf("missing are %v, but: %v", missing, err)
			}
		}
	}
}

func TestHalfAKeyAndABadEndpointAreRefused(t *testing.T) {
	for want, changes := range map[string][2]string{"AWS_SECRET_ACCESS_KEY are not both": {"AWS_ACCESS_KEY_ID", "AKIA"}, "AWS_ACCESS_KEY_ID and": {"AWS_SECRET_ACCESS_KEY", "canary"}, "S3_ENDPOINT_URL": {"S3_ENDPOINT_URL", "minio:9000"}} {
		var b Backend
		err := config.Load(&b, withS3(environ(changes[0], changes[1])))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v: %v", changes, err)
		}
	}
}

// The backend takes an empty endpoint for one, and switches only as "true".
func TestTheEnvironmentOfS3(t *testing.T) {
	b := load(t, withS3(environ("AWS_S3_FORCE_PATH_STYLE", "1", "AWS_S3_DISABLE_SSE", "false", "S3_ENDPOINT_URL", "", "AWS_SESSION_TOKEN", "", "AWS_ACCESS_KEY_ID", "AKIA", "AWS_SECRET_ACCESS_KEY", "canary")))
	got := b.Environ(config.Environ{"AWS_S3_FORCE_PATH_STYLE": "1", "AWS_S3_DISABLE_SSE": "false", "S3_ENDPOINT_URL": "", "AWS_SESSION_TOKEN": "", "AWS_SECRET_ACCESS_KEY_FILE": "/run/secrets/aws"}, nil)
	for name, want := range map[string]string{"AWS_S3_FORCE_PATH_STYLE": "true", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "canary"} {
		if got[name] != want {
			t.Errorf("%s is %q", name, got[name])
		}
	}
	for _, name := range []string{"AWS_S3_DISABLE_SSE", "S3_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY_FILE"} {
		if value, set := got[name]; set {
			t.Errorf("%s is set to %q", name, value)
		}
	}
}
