package stack

import "slices"

// Shared are settings that more than one service reads, by their names, as one of them has them.
// None is a secret.
type Shared map[string]string

// SharedBy returns those of a service. One without the password of a database, such as a pod that
// pushes nothing, was not told of the database.
func SharedBy(site Site, database Database) Shared {
	shared := Shared{}
	if site.SiteURL != "" {
		shared["SITE_URL with BASE_PATH"] = site.Address().URL()
	}
	if database.Storage == StoragePostgres && database.PostgresURL == "" && database.Password == "" {
		return shared
	}
	shared["CONVEX_STORAGE"] = database.Storage
	if server, err := database.Server(); err == nil && database.Storage == StoragePostgres {
		shared["POSTGRES_URL or DB_HOST and DB_PORT"] = server.Address()
	}
	return shared
}

// Differs returns the names of the settings that both have, and not with one value.
func (s Shared) Differs(other Shared) (names []string) {
	for name, value := range s {
		if others, both := other[name]; both && others != value {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
