package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tale-project/tale-runtime/internal/convexsim"
)

const (
	defaultDatabase = "convex_local_backend.sqlite3"
	connectTimeout  = 10 * time.Second
)

// database is what the command line says about the database. The simulator keeps
// nothing in it; it finds the faults with it that the backend would find.
type database struct {
	driver     string
	spec       string
	requireTLS bool
	connect    bool // really connect to Postgres
}

func (d database) check() error {
	if !knownDriver(d.driver) {
		return fmt.Errorf("%q is not a database driver; the drivers are %s", d.driver, strings.Join(drivers, ", "))
	}
	return nil
}

// open does what the backend does with its database before it opens its ports.
func (d database) open(ctx context.Context, instanceName string, log *slog.Logger) error {
	if d.driver == "sqlite" {
		return d.openFile(log)
	}
	target, err := d.url(instanceName)
	if err != nil {
		return err
	}
	if !d.connect {
		log.Info("the database is not connected to, as this is a simulator", "driver", d.driver, "host", target.Host, "database", strings.TrimPrefix(target.Path, "/"))
		return nil
	}
	if !strings.HasPrefix(d.driver, "postgres") {
		return fmt.Errorf("--connect-database works with Postgres, not with %s", d.driver)
	}
	return d.reach(ctx, target, log)
}

// openFile creates the SQLite file that was asked for, in a folder that must exist.
func (d database) openFile(log *slog.Logger) error {
	if d.spec == defaultDatabase {
		return nil // the default, which was not asked for
	}
	file, err := os.OpenFile(d.spec, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("unable to open the database file: %w", err)
	}
	log.Info("Connected to SQLite at " + d.spec)
	if info, err := file.Stat(); err == nil && info.Size() == 0 { // an empty one is no database
		_, err = file.WriteString("SQLite format 3\x00")
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// url returns the address of the database. For postgres-v5, its name comes from the
// instance, so that the address must not have one.
func (d database) url(instanceName string) (*url.URL, error) {
	target, err := url.Parse(d.spec)
	if err != nil || target.Host == "" {
		return nil, errors.New("the database must be given as a server URL; its value is not shown, as it may have a password")
	}
	if target.User.Username() == "" {
		return nil, errors.New("cluster url username must be set")
	}
	if d.driver != "postgres-v5" {
		return target, nil
	}
	if target.Path != "" && target.Path != "/" {
		return nil, fmt.Errorf("cluster url already contains db name: %s", target.Path)
	}
	if instanceName == "" {
		instanceName = convexsim.DefaultInstanceName
	}
	target.Path = "/" + strings.ReplaceAll(instanceName, "-", "_")
	return target, nil
}

func (d database) reach(ctx context.Context, target *url.URL, log *slog.Logger) error {
	if d.requireTLS {
		query := target.Query()
		query.Set("sslmode", "require")
		target.RawQuery = query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	connection, err := pgx.Connect(ctx, target.String())
	if err != nil {
		return fmt.Errorf("error connecting to server: %w", err)
	}
	log.Info("Connected to Postgres database: " + strings.TrimPrefix(target.Path, "/"))
	return connection.Close(ctx)
}
