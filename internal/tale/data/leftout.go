package data

import (
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// leftOut names what the stack has and the backup has not: other volumes of its services, files
// in S3, and attributes of files that lie elsewhere otherwise. "" says that there is nothing of
// that kind. What the proxy keeps is made anew.
func leftOut(s *session.Session, state rollout.State, m backup.Manifest) string {
	var list []string
	if volumes := otherVolumes(s.Project, state); len(volumes) > 0 {
		list = append(list, english.PluralWord(len(volumes), "volume", "")+" "+strings.Join(volumes, ", "))
	}
	if s.Settings.Get("S3_STORAGE_FILES_BUCKET") != "" {
		list = append(list, "files in S3, which has to keep versions of its own")
	}
	if left := m.Left.String(); left != "" {
		list = append(list, left)
	}
	if len(list) == 0 {
		return ""
	}
	return "not in the backup: " + strings.Join(list, "; ")
}

// otherVolumes returns the project's volumes that a container has, but for those whose data
// are backed up or made anew.
func otherVolumes(p *project.Project, state rollout.State) (others []string) {
	var known []string
	for _, service := range stack.Services() {
		if service.Name == stack.RAG || service.Name == stack.Crawler {
			continue
		}
		for _, mount := range service.Mounts {
			known = append(known, p.File.ID+"_"+mount.Volume)
		}
	}
	for _, c := range state.Containers {
		for _, mount := range c.Mounts {
			if strings.HasPrefix(mount.Volume, p.File.ID+"_") && !slices.Contains(slices.Concat(known, others), mount.Volume) {
				others = append(others, mount.Volume)
			}
		}
	}
	slices.Sort(others)
	return others
}
