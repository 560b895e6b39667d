package clitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Push does what convex 1.35.1 does on the wire, with its retries for routes that
// do not exist and without those for broken connections. It is configured by the
// environment of the CLI.
func Push(environ []string, out io.Writer) error {
	f := session{url: lookup(environ, "CONVEX_SELF_HOSTED_URL"), key: lookup(environ, "CONVEX_SELF_HOSTED_ADMIN_KEY")}
	_, _ = fmt.Fprintln(out, "- Deploying to "+f.url+"...")
	content, err := os.ReadFile(lookup(environ, requestVariable))
	if err == nil {
		err = f.push(content)
	}
	if err != nil {
		_, _ = fmt.Fprintln(out, "✖ "+err.Error())
		return err
	}
	_, _ = fmt.Fprintln(out, "✔ Deployed Convex functions to "+f.url)
	return nil
}

func lookup(environ []string, name string) string {
	for _, variable := range environ {
		if value, is := strings.CutPrefix(variable, name+"="); is {
			return value
		}
	}
	return ""
}

type session struct{ url, key string }

func (f session) push(file []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(file, &fields); err != nil {
		return err
	}
	fields["adminKey"] = f.key
	request, _ := json.Marshal(fields)
	key, _ := json.Marshal(f.key)
	if _, err := f.post("/api/get_config_hashes", fmt.Appendf(nil, `{"adminKey":%s}`, key)); err != nil {
		return err
	}
	// The newest CLI asks for evaluate_schema first and does not mind a failure.
	_, _ = f.post("/api/deploy2/evaluate_schema", request)
	if _, err := f.post("/api/deploy2/evaluate_push", request); err != nil {
		return err
	}
	started, err := f.post("/api/deploy2/start_push", request)
	if err != nil {
		return err
	}
	var answer struct {
		SchemaChange json.RawMessage `json:"schemaChange"`
	}
	if err := json.Unmarshal(started, &answer); err != nil {
		return err
	}
	if err := f.wait(key, answer.SchemaChange); err != nil {
		return err
	}
	_, err = f.post("/api/deploy2/finish_push", fmt.Appendf(nil, `{"adminKey":%s,"startPush":%s,"dryRun":false,"message":null}`, key, started))
	return err
}

func (f session) wait(key []byte, change json.RawMessage) error {
	for {
		body, err := f.post("/api/deploy2/wait_for_schema", fmt.Appendf(nil, `{"adminKey":%s,"schemaChange":%s,"timeoutMs":100,"dryRun":false}`, key, change))
		if err != nil {
			return err
		}
		var status struct{ Type, Error string }
		if err := json.Unmarshal(body, &status); err != nil {
			return err
		}
		switch status.Type {
		case "complete":
			return nil
		case "failed":
			return errors.New("Schema validation failed.\n" + status.Error)
		case "raceDetected":
			return errors.New("schema was overwritten by another push")
		}
	}
}

// post asks six more times for a route that does not exist, as the CLI does.
func (f session) post(path string, body []byte) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		answer, status, err := f.postOnce(path, body)
		switch {
		case err != nil || status == http.StatusOK:
			return answer, err
		case status != http.StatusNotFound || attempt == 6 || path == "/api/deploy2/evaluate_schema":
			return nil, fmt.Errorf("Error fetching POST  %s %d", path, status) //nolint:staticcheck // the CLI's words
		}
		<-time.After(time.Second)
	}
}

func (f session) postOnce(path string, body []byte) ([]byte, int, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Timeout: time.Minute, Transport: transport}
	response, err := client.Post(f.url+path, "application/json", bytes.NewReader(body)) //nolint:noctx // like the CLI's, it ends with its process
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return answer, response.StatusCode, err
}
