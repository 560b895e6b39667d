package deploy

import (
	"cmp"
	"context"
	"maps"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// apart refuses a stack for developing that would use the database of the one in production:
// of two backends one ends the other, and the functions of both are the same. It returns the
// database elsewhere that the stack uses, "" where it has its own.
func apart(ctx context.Context, s *session.Session, model *compose.Model) (elsewhere string, err error) {
	convex, _ := model.Service(stack.Convex, "")
	if elsewhere = databaseElsewhere(convex.Environment); elsewhere == "" {
		return "", nil
	}
	production, err := s.Engine.Containers(ctx, compose.Projects(s.Project.File.ID)...)
	if err != nil {
		return "", err
	}
	for _, c := range production {
		if c.Service == stack.Convex && databaseElsewhere(c.Environment) == elsewhere {
			return "", exit.Errorf(exit.Config, "the stack for developing would use the database %s, which is that of %s: two backends on one database end each other, and its functions would be replaced. Develop in a project of its own, with a database of its own: `tale init` in another folder", elsewhere, c.Name)
		}
	}
	return elsewhere, nil
}

// databaseElsewhere returns the database that a backend is told to use on a server that is
// not the stack's own, "" if there is none.
func databaseElsewhere(environment map[string]string) string {
	isSQLite := environment["CONVEX_STORAGE"] == stack.StorageSQLite
	if file := environment["POSTGRES_URL_FILE"]; file != "" && environment["POSTGRES_URL"] == "" && !isSQLite { // the container alone can read it
		return stack.Instance{Name: cmp.Or(environment["INSTANCE_NAME"], database.Platform)}.DatabaseName() + " at the server that " + file + " names"
	}
	said := maps.Clone(environment)
	if said["DB_PASSWORD_FILE"] != "" {
		said["DB_PASSWORD"] = "-"
		delete(said, "DB_PASSWORD_FILE")
	}
	settings := database.Settings{}
	if config.Load(&settings, said) != nil || !settings.IsElsewhere() {
		return ""
	}
	server, err := settings.Server()
	if err != nil || server.URL.Hostname() == stack.DB { // which is another one in each network
		return ""
	}
	return settings.Platform() + " at " + server.Address()
}
