package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Names below hidden.
const (
	newName     = "new"       // what is unpacked
	readyName   = "ready"     // holds the run that new is, when it is whole
	reserveName = "reserve"   // room for what a swap writes
	swapName    = "swap.json" // which of the names in the volume were there before
	beforeName  = "before"    // what was in the volume
	doneName    = "done"      // holds the run that was restored last
)

// reserve is how many bytes are kept for what a swap writes: when it begins, the databases
// are swapped already, and the disk may be full by then.
const reserve = 256 << 10

// state is what a volume holds.
type state struct {
	Names    int    // at the top
	Ready    string // id of a backup that is unpacked and not swapped in
	Swapping string // id of one whose swap has begun
	Done     string // id of one that was swapped in
	Left     bool   // something of restores is there
	// Free and Total are bytes of the disk that it is on, as far as a helper was asked.
	Free, Total int64 `json:",omitempty"`
}

// swapping is the journal. Names are bytes, which a string in JSON may not hold.
type swapping struct {
	ID  string   `json:"id"`
	Old [][]byte `json:"old"`
	New [][]byte `json:"new"`
}

func lookInto(root string) (s state, err error) {
	work := filepath.Join(root, hidden)
	names, err := topOf(root)
	if err != nil {
		return s, err
	}
	s.Names = len(names)
	for name, into := range map[string]*string{readyName: &s.Ready, doneName: &s.Done} {
		text, err := os.ReadFile(filepath.Join(work, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
		*into = string(text)
	}
	journal, err := readSwap(work)
	if err != nil {
		return s, err
	}
	s.Swapping = journal.ID
	_, err = os.Lstat(work)
	s.Left = err == nil
	return s, nil
}

func topOf(folder string) (names [][]byte, err error) {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		if entry.Name() != hidden {
			names = append(names, []byte(entry.Name()))
		}
	}
	return names, err
}

func readSwap(work string) (s swapping, err error) {
	text, err := os.ReadFile(filepath.Join(work, swapName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// swap puts what was unpacked of a backup in the place of what the volume has, which is
// kept. It can be called again after any kill, and goes on where it was.
func swap(root, id string) error {
	work := filepath.Join(root, hidden)
	found, err := lookInto(root)
	switch {
	case err != nil:
		return err
	case found.Done == id:
		return clearSwap(work)
	case found.Ready != id || found.Swapping != "" && found.Swapping != id:
		return fmt.Errorf("the volume holds no unpacked backup %s, but %q, and the swap of %q", id, found.Ready, found.Swapping)
	}
	if err := os.RemoveAll(filepath.Join(work, reserveName)); err != nil {
		return err
	}
	journal, err := readSwap(work)
	if err == nil && journal.ID == "" {
		journal, err = beginSwap(root, id)
	}
	if err != nil {
		return err
	}
	before, fresh := filepath.Join(work, beforeName), filepath.Join(work, newName)
	if err := os.MkdirAll(before, 0o700); err != nil {
		return err
	}
	// What has arrived already was moved by a run before this one.
	if err := moveAll(journal.Old, root, before); err != nil {
		return err
	}
	if err := moveAll(journal.New, fresh, root); err != nil {
		return err
	}
	return endSwap(root, id)
}

func moveAll(names [][]byte, from, to string) error {
	for _, name := range names {
		source, target := filepath.Join(from, string(name)), filepath.Join(to, string(name))
		if _, err := os.Lstat(target); err == nil {
			continue
		}
		if err := os.Rename(source, target); err != nil {
			return err
		}
	}
	return nil
}

func beginSwap(root, id string) (journal swapping, err error) {
	work := filepath.Join(root, hidden)
	journal.ID = id
	// What an earlier restore has kept is older than what this one keeps.
	if err := os.RemoveAll(filepath.Join(work, beforeName)); err != nil {
		return journal, err
	}
	if journal.Old, err = topOf(root); err != nil {
		return journal, err
	}
	if journal.New, err = topOf(filepath.Join(work, newName)); err != nil {
		return journal, err
	}
	text, err := json.Marshal(journal)
	if err != nil {
		return journal, err
	}
	return journal, atomicfile.Write(filepath.Join(work, swapName), text, 0o600)
}

// endSwap gives the volume's own folder the owner and mode of the backup's.
func endSwap(root, id string) error {
	work := filepath.Join(root, hidden)
	s, err := look(filepath.Join(work, newName))
	if err != nil {
		return err
	}
	if err := errors.Join(os.Chown(root, int(s.uid), int(s.gid)), os.Chmod(root, modeOf(s)), atomicfile.SyncFolder(root), atomicfile.SyncFolder(filepath.Join(work, beforeName))); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(work, doneName), []byte(id), 0o600); err != nil {
		return err
	}
	return clearSwap(work)
}

// clearSwap removes what a swap that is done was made of. The journal goes last: as long
// as it is there, the restore is not over, and the next one is another.
func clearSwap(work string) error {
	for _, name := range []string{readyName, newName, swapName} {
		if err := os.RemoveAll(filepath.Join(work, name)); err != nil {
			return err
		}
	}
	return atomicfile.SyncFolder(work)
}

func modeOf(s stamp) fs.FileMode {
	mode := fs.FileMode(s.mode & 0o777)
	for bit, of := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if s.mode&bit != 0 {
			mode |= of
		}
	}
	return mode
}

// drop removes what was unpacked, and with old all that is kept. A swap that has begun has
// to be finished.
func drop(root string, old bool) error {
	found, err := lookInto(root)
	if err != nil {
		return err
	}
	if found.Swapping != "" {
		return fmt.Errorf("the swap of the backup %s is not finished", found.Swapping)
	}
	work := filepath.Join(root, hidden)
	if old {
		return os.RemoveAll(work)
	}
	return errors.Join(os.RemoveAll(filepath.Join(work, readyName)), os.RemoveAll(filepath.Join(work, newName)), os.RemoveAll(filepath.Join(work, reserveName)))
}
