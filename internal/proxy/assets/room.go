package assets

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

const (
	// day is how long pages of an old version must find their parts.
	day = 24 * time.Hour
	// keptAtLeast is how long a file stays, however many others of its kind come: where
	// more is in use than there is room for, it is better to keep some files than to go
	// round. Of files that only say that they are immutable a visitor may be able to ask
	// for ever new ones, which must not keep those out that pages have.
	keptAtLeast = 10 * time.Minute
)

var errNoRoom = errors.New("there is no room that is not in use")

// makeRoom removes files until f fits: those that only say of themselves that they are
// immutable first, and of both kinds those that were not asked for for the longest.
func (s *store) makeRoom(f *file) error {
	needs, victims := s.plan(f)
	if needs > 0 {
		return errNoRoom
	}
	for _, v := range victims {
		if unused := s.now().Sub(time.Unix(v.used.Load(), 0)); v.Named && unused < day && !s.short {
			s.short = true
			s.log.Warn("assets of a day do not fit; parts of pages may be missing after a switch", "setting", "ASSETS_CACHE", "unused", unused)
		}
		s.remove(v)
	}
	return nil
}

// Records are in memory, and there may be many for little on the disk: they get a part of
// what that may take.
const (
	heldPart  = 32
	leastHeld = 1 << 20
)

func (s *store) mostHeld() int64 { return max(s.limit/heldPart, leastHeld) }

// plan returns what is to be removed before f is written, and how much room is
// missing even then.
func (s *store) plan(f *file) (needs int64, victims []*file) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	needs = s.size + block - s.limit
	for _, one := range f.Forms {
		if s.blobs[one.Sum] == nil {
			needs += onDisk(one.Size)
		}
	}
	heavy := s.held + f.held() - s.mostHeld()
	if old := s.files[f.Path]; old != nil {
		heavy -= old.held()
	}
	if needs <= 0 && heavy <= 0 {
		return 0, nil
	}
	latest := s.now().Add(-keptAtLeast).Unix()
	all := make([]*file, 0, len(s.files))
	for _, one := range s.files {
		if one.Path != f.Path && (one.used.Load() <= latest || f.Named && !one.Named) {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b *file) int {
		if a.Named != b.Named {
			if b.Named {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.used.Load(), b.used.Load())
	})
	for _, one := range all {
		if needs <= 0 && heavy <= 0 {
			break
		}
		victims = append(victims, one)
		needs -= s.frees(one)
		heavy -= one.held()
	}
	return max(needs, heavy), victims
}

// frees returns how much room a file takes that no other has a part in.
func (s *store) frees(f *file) int64 {
	n := int64(block)
	for _, one := range f.Forms {
		if b := s.blobs[one.Sum]; b.users == 1 {
			n += onDisk(one.Size)
		}
	}
	return n
}
