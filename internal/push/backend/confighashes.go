package backend

import (
	"context"
	"encoding/json"
	"net/http"
)

// ModuleHash is what a backend says of a module that it has.
type ModuleHash struct {
	Path        string `json:"path"`
	SHA256      string `json:"hash"`
	Environment string `json:"environment"`
}

// ConfigHashes asks for the modules of the deployed app, by path. They are the
// app's own, schema.js and convex.config.js and bundler chunks included, and none
// of a component (crates/local_backend/src/deploy_config.rs: ComponentId::Root).
func (c *Client) ConfigHashes(ctx context.Context) (map[string]ModuleHash, error) {
	var answer json.RawMessage
	in := map[string]string{"adminKey": c.key}
	if err := c.call(ctx, probeTimeout, Request{Method: http.MethodPost, Path: StageGetConfigHashes.Path()}, in, &answer); err != nil {
		return nil, err
	}
	return ParseConfigHashes(answer)
}

// ParseConfigHashes reads an answer to get_config_hashes: its modules by path.
func ParseConfigHashes(body []byte) (map[string]ModuleHash, error) {
	var answer struct {
		ModuleHashes []ModuleHash `json:"moduleHashes"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, &UnexpectedAnswerError{Method: http.MethodPost, Path: StageGetConfigHashes.Path(), Problem: "it is not the JSON of a Convex backend"}
	}
	modules := make(map[string]ModuleHash, len(answer.ModuleHashes))
	for _, m := range answer.ModuleHashes {
		modules[m.Path] = m
	}
	return modules, nil
}
