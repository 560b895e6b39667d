package compose

import "github.com/compose-spec/compose-go/v2/types"

// usedByRefused returns the networks and secrets that nothing uses but services and jobs that are
// refused, or that are so for their networks: what is wrong with them goes with those, as the
// network that compose gives to a service without one.
func usedByRefused(plain, merged *types.Project) map[string]bool {
	uses := map[string]bool{} // whether all that use it are refused
	note := func(refused bool, kind, name string) {
		all, known := uses[kind+"."+name]
		uses[kind+"."+name] = refused && (all || !known)
	}
	users := func(refused, outside bool, networks map[string]*types.ServiceNetworkConfig, secrets []types.ServiceSecretConfig) {
		for name := range networks {
			note(refused || outside, "networks", name)
		}
		for _, secret := range secrets {
			note(refused, "secrets", secret.Source)
		}
	}
	for name, s := range merged.AllServices() {
		_, known := plain.Services[name]
		users(!known, refused(s)["networks"] != "", s.Networks, s.Secrets)
	}
	for _, job := range merged.AllJobs() {
		users(true, true, job.Networks, job.Secrets)
	}
	return uses
}
