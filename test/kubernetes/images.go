package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The releases of the site that the checks switch between, by their tags: all with the
// programs of this tree, the second with other functions, the third with functions that
// the backend refuses.
const (
	first   = "1.0.0"
	second  = "1.1.0"
	refused = "1.2.0"
	absent  = "1.3.0" // there is no such image
)

// registry is where the images of the end-to-end test are.
const registry = "tale-e2e/tale-"

// burnPath is where the images of the platform have what makes their pages cost more.
const burnPath = "app/burn.ts"

//go:embed testdata/burn.ts
var burn []byte

// image is an entry of the list of images that an archive of docker save has.
type image struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// archive is the file of docker save, to which is added what a build would add: no engine
// is asked to build anything.
type archive struct {
	file   *os.File
	images []image
}

// addReleases adds the images of the releases to an archive.
func addReleases(path, programs string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	a := &archive{file: file}
	list, err := a.read("manifest.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(list, &a.images); err != nil {
		return err
	}
	// The archive ends with two empty blocks, behind which nothing is read.
	const end = 2 * 512
	if _, err := file.Seek(-end, io.SeekEnd); err != nil {
		return err
	}
	out := tar.NewWriter(file)
	for service, program := range map[string]string{"convex": "convex-entrypoint", "platform": "platform-entrypoint", "proxy": "proxy"} {
		binary, err := os.ReadFile(filepath.Join(programs, program))
		if err != nil {
			return err
		}
		for _, release := range []string{first, second, refused} {
			files := map[string][]byte{"usr/local/bin/" + program: binary}
			if err := a.addFunctions(files, service, release); err != nil {
				return err
			}
			if err := a.add(out, service, release, files); err != nil {
				return err
			}
		}
	}
	if err := a.tagPython(); err != nil {
		return err
	}
	list, err = json.Marshal(a.images)
	if err != nil {
		return err
	}
	if err := put(out, "manifest.json", list); err != nil { // the last one counts
		return err
	}
	return out.Close()
}

// tagPython makes what stands in for Tale's services in Python be of the first release, too.
func (a *archive) tagPython() error {
	for _, service := range []string{"rag", "crawler"} {
		tagged, err := a.image(registry + service + ":e2e")
		if err != nil {
			return err
		}
		tagged.RepoTags = []string{registry + service + ":" + first}
		a.images = append(a.images, tagged)
	}
	return nil
}

// read returns a file of the archive.
func (a *archive) read(name string) ([]byte, error) {
	if _, err := a.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return find(a.file, name)
}

func find(in io.Reader, name string) ([]byte, error) {
	files := tar.NewReader(in)
	for {
		header, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("cannot find %s: %w", name, err)
		}
		if header.Name == name {
			return io.ReadAll(files)
		}
	}
}

func put(out *tar.Writer, name string, content []byte) error {
	err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
	if err == nil {
		_, err = out.Write(content)
	}
	return err
}

func (a *archive) image(name string) (image, error) {
	for _, i := range a.images {
		if len(i.RepoTags) == 1 && i.RepoTags[0] == name {
			return i, nil
		}
	}
	return image{}, fmt.Errorf("there is no image %s", name)
}

// add adds an image that is the service's with one layer more.
func (a *archive) add(out *tar.Writer, service, release string, files map[string][]byte) error {
	base, err := a.image(registry + service + ":e2e")
	if err != nil {
		return err
	}
	old, err := a.keep(func() ([]byte, error) { return a.read(base.Config) })
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	content := tar.NewWriter(&layer)
	for name, data := range files {
		if err := put(content, name, data); err != nil {
			return err
		}
	}
	if err := content.Close(); err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(old, &config); err != nil {
		return err
	}
	rootfs, ok := config["rootfs"].(map[string]any)
	layers, listed := rootfs["diff_ids"].([]any)
	if !ok || !listed {
		return errors.New("the image's configuration lists no layers")
	}
	rootfs["diff_ids"] = append(layers, fmt.Sprintf("sha256:%x", sha256.Sum256(layer.Bytes())))
	delete(config, "history")
	if err := setVersion(config, release); err != nil {
		return err
	}
	changed, err := json.Marshal(config)
	if err != nil {
		return err
	}
	added := image{Config: service + "-" + release + ".json", RepoTags: []string{registry + service + ":" + release}}
	added.Layers = append(append(added.Layers, base.Layers...), service+"-"+release+"/layer.tar")
	a.images = append(a.images, added)
	return errors.Join(put(out, added.Config, changed), put(out, added.Layers[len(base.Layers)], layer.Bytes()))
}

// setVersion has the containers of an image say which release they are of, as a build does: the
// proxies prefer the newest.
func setVersion(image map[string]any, release string) error {
	const variable = "TALE_VERSION="
	config, _ := image["config"].(map[string]any)
	env, ok := config["Env"].([]any)
	if !ok {
		return errors.New("the image's configuration has no variables")
	}
	config["Env"] = append(slices.DeleteFunc(env, func(one any) bool {
		text, _ := one.(string)
		return strings.HasPrefix(text, variable)
	}), variable+release)
	return nil
}

// keep reads elsewhere in the file and returns to where is written.
func (a *archive) keep(read func() ([]byte, error)) ([]byte, error) {
	at, err := a.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	data, err := read()
	_, back := a.file.Seek(at, io.SeekStart)
	return data, errors.Join(err, back)
}

// addFunctions adds the push request of a release, whose functions differ, and what makes its
// pages cost more when it is asked for.
func (a *archive) addFunctions(files map[string][]byte, service, release string) error {
	const path = "app/push-request.json"
	if service != "platform" {
		return nil
	}
	files[burnPath] = burn
	if release == first {
		return nil
	}
	base, err := a.image(registry + service + ":e2e")
	if err != nil {
		return err
	}
	var request map[string]any
	for _, name := range base.Layers {
		layer, err := a.keep(func() ([]byte, error) { return a.read(name) })
		if err != nil {
			return err
		}
		if data, err := find(bytes.NewReader(layer), path); err == nil {
			if err := json.Unmarshal(data, &request); err != nil {
				return err
			}
		}
	}
	files[path], err = changeFunctions(request, release)
	return err
}

// changeFunctions has one module say what release it is of. A release that is refused has it twice.
func changeFunctions(request map[string]any, release string) ([]byte, error) {
	definition, _ := request["appDefinition"].(map[string]any)
	modules, _ := definition["changedModules"].([]any)
	for _, m := range modules {
		module, _ := m.(map[string]any)
		path, _ := module["path"].(string)
		source, _ := module["source"].(string)
		if strings.HasPrefix(path, "_") || strings.Contains(path, "config") || !strings.HasSuffix(path, ".js") {
			continue
		}
		module["source"] = source + "\n// " + release + "\n"
		if release == refused { // the same name, for the backend
			again := map[string]any{"path": strings.TrimSuffix(path, ".js"), "source": source, "environment": module["environment"]}
			definition["changedModules"] = append(modules, again)
		}
		return json.Marshal(request)
	}
	return nil, errors.New("the push request has no module to change")
}
