package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Target is what a restore would replace.
type Target struct {
	volume    state
	databases map[string]string // by name: what run has restored it
	owned     map[string]bool   // by name: that of the login, or of a role of its
	filled    []string          // databases with tables, and in which schemas
	login     login
}

// Look returns what is there.
func (r Restore) Look(ctx context.Context) (t Target, err error) {
	if t.volume, err = r.lookAtVolume(ctx); err != nil {
		return t, err
	}
	if r.Server.Container == "" {
		return t, nil
	}
	return r.lookAtServer(ctx, t)
}

// lookAtServer looks for databases, and for what the login may do there.
func (r Restore) lookAtServer(ctx context.Context, t Target) (_ Target, err error) {
	t.databases, t.owned = map[string]string{}, map[string]bool{}
	if t.login, err = r.Server.login(ctx); err != nil {
		return t, err
	}
	lines, err := r.Server.query(ctx, r.Server.maintenance(), `
SELECT json_build_object('is', datname, 'restored', coalesce(substring(shobj_description(d.oid, 'pg_database') FROM '`+restoredMark+`([^\n]*)$'), ''), 'owned', pg_has_role(datdba, 'USAGE'))
FROM pg_database d WHERE NOT datistemplate;
`)
	if err != nil {
		return t, err
	}
	for _, line := range lines {
		var said struct {
			Is, Restored string
			Owned        bool
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			return t, fmt.Errorf("cannot read what Postgres says of its databases: %w", err)
		}
		if r.Server.owns(said.Is) {
			t.databases[said.Is], t.owned[said.Is] = said.Restored, said.Owned
		}
	}
	for _, d := range r.Manifest.Databases {
		if _, there := t.databases[d.Name]; !there {
			continue
		}
		lines, err := r.Server.query(ctx, d.Name, schemasWithTables)
		if err != nil {
			return t, err
		}
		if lines[0] != "" {
			t.filled = append(t.filled, d.Name+" ("+lines[0]+")")
		}
	}
	return t, nil
}

// schemasWithTables returns those of a database, but for what extensions have made.
const schemasWithTables = `
SELECT coalesce(string_agg(DISTINCT nspname, ', '), '') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'm') AND nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = c.oid AND deptype = 'e');
`

// lookAtVolume finds nothing in a volume that is not there, which a helper with it would make.
func (r Restore) lookAtVolume(ctx context.Context) (found state, err error) {
	if _, there, err := r.Engine.Volume(ctx, r.Volume); err != nil || !there {
		return found, err
	}
	said := false
	err = r.helper(ctx, []string{lookVerb}, nil, func(m message) error {
		if m.State != nil {
			found, said = *m.State, true
		}
		return nil
	})
	if err == nil && !said {
		err = fmt.Errorf("cannot look into the volume %s: its helper ended without a word", r.Volume)
	}
	return found, err
}

// Unused reports whether there is nothing in the volume, and no restore has ever put anything there.
func (t Target) Unused() bool { return t.volume.Names == 0 && t.volume.Done == "" }

// Holds returns what would be replaced, in words; nothing is an empty target.
func (t Target) Holds() (what []string) {
	if t.volume.Names > 0 {
		what = append(what, "the convex volume")
	}
	for _, name := range t.filled {
		what = append(what, "the database "+name)
	}
	return what
}

// Room returns how many bytes are free where the volume is, and how many that disk has, which is
// 0 for a volume that is not there.
func (t Target) Room() (free, total int64) { return t.volume.Free, t.volume.Total }

// Left reports whether restores have left anything that Discard would remove.
func (t Target) Left() bool { return t.volume.Left || len(t.left(true)) > 0 }

// left returns the databases that restores have left: of those that are not finished, and with
// old also those whose successor is there.
func (t Target) left(old bool) (names []string) {
	for database := range t.databases {
		ending, isBefore := endingOfBefore(database)
		isNew := strings.HasSuffix(database, restoringEnding)
		if isNew || old && isBefore && t.replaced(database, ending) {
			names = append(names, database)
		}
	}
	slices.Sort(names)
	return names
}

// replaced reports whether the successor of a database is there that has this ending.
func (t Target) replaced(old, ending string) bool {
	for database := range t.databases {
		if beside(database, ending) == old {
			return true
		}
	}
	return false
}

// Run returns the restore of a backup that was killed and has left something, or else a
// new one.
func (t Target) Run(m Manifest, now time.Time) string {
	left := []string{t.volume.Swapping, t.volume.Ready}
	for _, d := range m.Databases {
		left = append(left, t.databases[beside(d.Name, restoringEnding)])
	}
	for _, run := range left {
		if strings.HasPrefix(run, m.ID()+"-") {
			return run
		}
	}
	for ; ; now = now.Add(time.Second) { // the clock may have been set back
		if run := m.ID() + "-" + now.UTC().Format(runTime); !t.has(run, m) {
			return run
		}
	}
}

// has reports whether there is something that a run has made, or would call so.
func (t Target) has(run string, m Manifest) bool {
	for _, d := range m.Databases {
		if _, kept := t.databases[replacedName(d.Name, run)]; kept || t.databases[d.Name] == run {
			return true
		}
	}
	return t.volume.Done == run
}

// Begun reports whether a run has begun to swap and has not ended: its data may be in one
// place already and not in the other.
func (t Target) Begun(run string, m Manifest) bool {
	return t.volume.Swapping == run || t.volume.Ready == run && len(t.swapped(run, m)) > 0
}

// Untouched reports whether nothing of a run is in its place, so that it can be taken back.
func (t Target) Untouched(run string) bool {
	for database, restored := range t.databases {
		if restored == run && !strings.HasSuffix(database, restoringEnding) {
			return false
		}
	}
	return t.volume.Swapping != run && t.volume.Done != run
}

// Unpacked reports whether the volume has all that a run puts in its place there.
func (t Target) Unpacked(run string) bool {
	return t.volume.Ready == run || t.volume.Swapping == run || t.volume.Done == run
}

// Waits reports whether the volume waits for a run to go on: until it is in its place, a run has
// something there. One with nothing in it is not the one that the run was at.
func (t Target) Waits(run string) bool {
	return t.volume.Ready == run || t.volume.Swapping == run || t.volume.Names == 0 && t.volume.Done == ""
}

// Restored reports whether a run has put all in its place.
func (t Target) Restored(run string, m Manifest) bool {
	return t.volume.Done == run && t.volume.Swapping == "" && len(t.swapped(run, m)) == len(m.Databases)
}

// Unfinished returns the run whose swap of the volume has begun and not ended, or "".
func (t Target) Unfinished() string { return t.volume.Swapping }

// swapped returns the databases that are in their place.
func (t Target) swapped(run string, m Manifest) (names []string) {
	for _, d := range m.Databases {
		if t.databases[d.Name] == run && t.databases[beside(d.Name, restoringEnding)] == "" {
			names = append(names, d.Name)
		}
	}
	return names
}
