package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// strangers is how many images, containers and volumes of others there are.
const strangers = 50

// foreign makes what belongs to others, some of it under names that come close to the
// project's, and checks that no command touches it.
func (s *stack) foreign(ctx context.Context) error {
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	for i := range strangers {
		if err := stranger(ctx, i); err != nil {
			return err
		}
	}
	before, err := others(ctx)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"deploy", "--version", newer}, {"deploy", "--all", "--yes", "--version", newer}, {"rollback"}, {"cleanup", "--keep", "0"}, {"stop"}, {"stop", "--all"},
		{"deploy"}, {"reset", "--force"}, {"deploy"}, {"reset", "--force", "--all"},
		{"reset", "--force", "--all", "--volumes", "--project-name", s.id},
	} {
		if _, err := s.must(ctx, args...); err != nil {
			return err
		}
		after, err := others(ctx)
		if err != nil {
			return err
		}
		s.want(slices.Equal(before, after), fmt.Sprintf("%d things of others beside tale %s", len(before), strings.Join(args, " ")), "as before", len(after))
	}
	return nil
}

// stranger makes an image, a container and a volume.
func stranger(ctx context.Context, i int) error {
	name := []string{
		fmt.Sprintf("%s-other%d", prefix, i), fmt.Sprintf("%s%d-blue", project, i), fmt.Sprintf("%s-%d-platform", project, i),
	}[i%3]
	image := []string{prefix + "-other/tale-platform", prefix + "/tale-other", prefix + "/tale-platform-extra"}[i%3] + fmt.Sprintf(":1.0.%d", i)
	var file bytes.Buffer
	archive := tar.NewWriter(&file)
	if err := archive.WriteHeader(&tar.Header{Name: fmt.Sprintf("file%d", i), Mode: 0o644}); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	load := exec.CommandContext(ctx, "docker", "import", "-", image)
	load.Stdin = &file
	if out, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %w: %s", err, out)
	}
	if _, err := docker(ctx, "create", "--name", name, "--label", "com.docker.compose.project="+name, image, "nothing"); err != nil {
		return err
	}
	_, err := docker(ctx, "volume", "create", name+"_db-data")
	return err
}

// others lists what is there of others, with its state.
func others(ctx context.Context) (found []string, err error) {
	for _, list := range [][]string{
		{"ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}"}, {"volume", "ls", "--format", "{{.Name}}"},
		{"images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"},
	} {
		out, err := docker(ctx, list...)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			ours := strings.HasPrefix(line, project+"-") && !strings.Contains(line, "-platform ") || strings.HasPrefix(line, project+"_") ||
				slices.ContainsFunc(services, func(service string) bool { return strings.HasPrefix(line, fmt.Sprintf("%s/tale-%s:", prefix, service)) })
			if strings.HasPrefix(line, prefix) && !ours {
				found = append(found, line)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}
