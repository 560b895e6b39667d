package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// An override that leads a service to another place than that of its data leaves them behind with
// a yes alone, whether a container is there or the volume alone; once it has been said, it is not
// asked again.
func TestDataAreNotJustLeftBehind(t *testing.T) {
	server, dir, run := databaseAlone(t, config.Environ{"TALE_VERSION": "1.0.0"})
	override := func(text string) {
		testkit.WriteTree(t, dir, map[string]string{"compose.override.yml": text})
	}
	id := taletest.Project(t, dir).File.ID
	for _, name := range []string{"other", "more"} {
		server.AddVolume(name, nil)
	}
	asked := func(text, from, to string) {
		t.Helper()
		override(text)
		r := run("deploy", "--all")
		if want := "the data of db are in " + from + ", and it goes on with what is in " + to + ", if anything"; r.Code != exit.Usage || !strings.Contains(r.Err, want) {
			t.Errorf("%s: exit %d, want %q: %s", text, r.Code, want, r.Err)
		}
	}
	unasked := func(text string, more ...string) {
		t.Helper()
		override(text)
		if r := run(append([]string{"deploy", "--all"}, more...)...); r.Code != 0 || strings.Contains(r.Err, "the data of db are in") != (more != nil) {
			t.Errorf("%s: exit %d: %s", text, r.Code, r.Err)
		}
	}
	unasked("volumes: {db-data: {name: other}}") // the first deploy has nothing to leave
	unasked("services: {db: {environment: {A: b}}}\nvolumes: {db-data: {name: other}}")
	asked("", "other", id+"_db-data")
	asked("volumes: {db-data: {external: true, name: more}}", "other", "more")
	asked("services: {db: {volumes: ['more:/var/lib/postgresql/data']}}\nvolumes: {more: {external: true}}", "other", "more")
	asked("services: {db: {volumes: ['./here:/var/lib/postgresql/data']}}", "other", dir+"/here")
	asked("services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17}}}\nvolumes: {db-data: {name: other}}", "other", "other/17")
	unasked("services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17}}}\nvolumes: {db-data: {name: other}}", "--yes")
	unasked("services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17, A: b}}}\nvolumes: {db-data: {name: other}}")
	unasked("", "--yes")
	run("reset", "--all", "--force").Expect(t, 0, "", "")
	asked("volumes: {db-data: {name: other}}", id+"_db-data", "other")
	unasked("")
}

// TestWhereDataAreIsAsked where they move. Not asked for is a folder by another name, an image that says itself
// where its data are, a volume without a name, and what a container of another tool has already.
// What leads away without another volume is: a setting that is taken out, a volume further down.
func TestWhereDataAreIsAsked(t *testing.T) {
	const data, pg = "/var/lib/postgresql/data", "services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17}}}"
	volumes := func(list string) string {
		return "services: {db: {volumes: [" + list + "]}}\nvolumes: {more: {external: true}}"
	}
	for name, tt := range map[string]struct {
		mounts   map[string]string // of the container that is there, by their places
		set, env string            // its PGDATA, and that of the image
		foreign  bool              // made by another tool
		alone    bool              // the volume of the usual name is not there
		override string
		want     string // of the question, after "in "; "" for none
	}{
		"a folder with a slash":       {mounts: map[string]string{data: "/srv/pg"}, override: volumes("'/srv/pg/:" + data + "'")},
		"a folder of a desktop":       {mounts: map[string]string{data: "/host_mnt/srv/pg"}, override: volumes("'/srv/pg:" + data + "'")},
		"a folder by a link":          {mounts: map[string]string{data: "DIR/link"}, override: volumes("'./there:" + data + "'")},
		"another folder":              {mounts: map[string]string{data: "DIR"}, override: volumes("'./there:" + data + "'"), want: "DIR, and it goes on with what is in DIR/there"},
		"the image's own folder":      {mounts: map[string]string{"/pg": "ID_db-data"}, env: "/pg/17", override: volumes("'db-data:/pg'")},
		"a setting taken out":         {mounts: map[string]string{data: "ID_db-data"}, set: data + "/17", want: "ID_db-data/17, and it goes on with what is in ID_db-data,"},
		"a setting that stays":        {mounts: map[string]string{data: "ID_db-data"}, set: data + "/17", override: pg},
		"a volume further down":       {mounts: map[string]string{data: "ID_db-data"}, override: volumes("'more:" + data + "/pg_wal'"), want: "ID_db-data/pg_wal, and it goes on with what is in more"},
		"one that was further down":   {mounts: map[string]string{data: "ID_db-data", data + "/pg_wal": "more"}, want: "more, and it goes on with what is in ID_db-data/pg_wal"},
		"a file further down":         {mounts: map[string]string{data: "ID_db-data"}, override: volumes("'./a.conf:" + data + "/postgresql.conf'")},
		"a volume without a name":     {mounts: map[string]string{data: "ID_db-data", data + "/x": strings.Repeat("0a", 32)}},
		"another tool's, there":       {mounts: map[string]string{data: "more"}, foreign: true, override: volumes("'more:" + data + "'")},
		"another tool's alone":        {mounts: map[string]string{data: "more"}, foreign: true, alone: true, want: "more, and it goes on with what is in ID_db-data"},
		"another tool's, and another": {mounts: map[string]string{data: "ID_db-data"}, foreign: true, override: volumes("'more:" + data + "'"), want: "ID_db-data, and it goes on with what is in more"},
	} {
		t.Run(name, func(t *testing.T) {
			server, dir := enginetest.New(t), t.TempDir()
			server.DockerInPath(t)
			line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
			id := taletest.Project(t, dir).File.ID
			testkit.WriteTree(t, dir, map[string]string{"there/x": "", "a.conf": "", "compose.override.yml": tt.override})
			if err := os.Symlink("there", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			names := strings.NewReplacer("ID", id, "DIR", dir)
			image := enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}, HealthCheck: true}
			if tt.env != "" {
				image.Env = []string{"PGDATA=" + tt.env}
			}
			server.AddImage(image)
			if server.AddVolume("more", nil); !tt.alone {
				server.AddVolume(id+"_db-data", nil)
			}
			container := enginetest.Container{Name: id + "-db", Project: id, Service: "db", Image: image.Tags[0], HealthCheck: true,
				Environment: map[string]string{}, Volumes: map[string]string{}, Labels: map[string]string{}}
			if !tt.foreign {
				container.Labels[engine.LabelHash] = "1:before"
			}
			if tt.set != "" {
				container.Environment["PGDATA"] = tt.set
			}
			for at, volume := range tt.mounts {
				container.Volumes[at] = names.Replace(volume)
			}
			server.AddContainer(container)
			r := line.Run(server.Environ(t), "", "deploy", "--version", "1.0.0", "--all", "--dry-run", "--project", dir)
			if asked := strings.Contains(r.Out, "the data of db are in"); r.Code != exit.Pending || asked != (tt.want != "") || !strings.Contains(r.Out, names.Replace(tt.want)) {
				t.Errorf("exit %d, want %q: %s%s", r.Code, names.Replace(tt.want), r.Out, r.Err)
			}
		})
	}
}

// TestWhatAMigrationCopiesIsNotJustLeftBehind, though its volume is not there yet.
func TestWhatAMigrationCopiesIsNotJustLeftBehind(t *testing.T) {
	server, dir, environ := legacyHost(t)
	server.AddVolume("more", nil)
	testkit.WriteTree(t, dir, map[string]string{"compose.override.yml": "volumes: {db-data: {external: true, name: more}}"})
	r := line.Run(environ, "", "deploy", "--version", "1.0.0", "--project", dir, "--adopt", "tale_db-data", "--dry-run")
	r.Expect(t, exit.Pending, "the data of db are in "+taletest.Project(t, dir).File.ID+"_db-data, and it goes on with what is in more", "")
}

// TestDataOfDevelopmentThatAreLeftBehind are a note: nothing is asked there.
func TestDataOfDevelopmentThatAreLeftBehind(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ := server.Environ(t)
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x", "--release", "1.0.0").Expect(t, 0, "", "")
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}, HealthCheck: true})
	server.AddVolume("other", nil)
	start := func() line.Result { return line.Run(environ, "", "start", "--detach", "--project", dir) }
	start().Expect(t, 0, "", "")
	testkit.WriteTree(t, dir, map[string]string{"compose.override.yml": "volumes: {db-data: {name: other}}"})
	start().Expect(t, 0, "", "note: the data of db are in "+taletest.Project(t, dir).File.ID+"-dev_db-data, and it goes on with what is in other")
	if r := start(); r.Code != 0 || strings.Contains(r.Err, "the data of db") {
		t.Errorf("exit %d: %s", r.Code, r.Err)
	}
}
