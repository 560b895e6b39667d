package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// hash returns a hash of what a container is made of: the service without its image,
// what only compose reads, and what says the release; and the networks, volumes and files
// that it uses.
func hash(service types.ServiceConfig, all *types.Project) string {
	service.Image, service.PullPolicy, service.DependsOn, service.Profiles = "", "", nil, nil
	service.Environment = maps.Clone(service.Environment)
	delete(service.Environment, stack.Version)
	used := *all
	used.Services = types.Services{service.Name: service}
	used.DisabledServices = nil
	resources := used.WithoutUnnecessaryResources()
	text, err := json.Marshal([]any{service, resources.Networks, resources.Volumes, resources.Configs, resources.Secrets})
	if err != nil {
		return "" // of plain types
	}
	sum := sha256.Sum256(text)
	return "1:" + hex.EncodeToString(sum[:])
}
