package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// sum stands for a state, so that two of them can be compared.
type sum uint64

// record says that an entry is, or is about to be, in the copy, and right: what it was
// like in the source, and what it is like in the copy.
type record struct {
	Key    [16]byte
	Source sum
	Copy   sum
}

const recordSize = 16 + 8 + 8

// journal is the list of all records. It is written before the entries appear under their
// own names: what has such a name and is not in it is not ours.
type journal struct {
	file    *os.File
	records []record // sorted by key, the newest of each: 32 bytes a file

	lock  sync.Mutex
	added []record
}

// readJournal reads what is there. What a power failure has left at its end may be
// anything, and says nothing of any entry: those are named after it is on the disk.
func readJournal(file *os.File) (*journal, error) {
	j := &journal{file: file}
	all, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal of the copy: %w", err)
	}
	for ; len(all) >= recordSize; all = all[recordSize:] {
		var r record
		if _, err := binary.Decode(all, binary.LittleEndian, &r); err != nil {
			return nil, err
		}
		j.added = append(j.added, r)
	}
	whole := int64(len(j.added)) * recordSize
	if err := file.Truncate(whole); err != nil {
		return nil, fmt.Errorf("cannot shorten the journal of the copy: %w", err)
	}
	if _, err := file.Seek(whole, io.SeekStart); err != nil {
		return nil, err
	}
	j.sort()
	return j, nil
}

// write adds records and returns when they cannot be lost any more.
func (j *journal) write(records []record) error {
	var text []byte
	for _, r := range records {
		text, _ = binary.Append(text, binary.LittleEndian, r) // fails for types of no fixed size
	}
	j.lock.Lock()
	j.added = append(j.added, records...)
	j.lock.Unlock()
	_, err := j.file.Write(text)
	if err == nil {
		err = j.file.Sync()
	}
	return err
}

// sort makes what was added findable.
func (j *journal) sort() {
	all := append(j.records, j.added...) //nolint:gocritic // the old list is given up
	slices.SortStableFunc(all, func(a, b record) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	newest := all[:0]
	for i, r := range all {
		if i+1 == len(all) || all[i+1].Key != r.Key {
			newest = append(newest, r)
		}
	}
	j.records, j.added = newest, nil
}

// find looks for what was there when sort was last called.
func (j *journal) find(k [16]byte) (record, bool) {
	i, found := slices.BinarySearchFunc(j.records, k, func(r record, k [16]byte) int { return bytes.Compare(r.Key[:], k[:]) })
	if !found {
		return record{}, false
	}
	return j.records[i], true
}

// new reports whether an entry has been added since sort was last called. It is slow.
func (j *journal) new(k [16]byte) bool {
	j.lock.Lock()
	defer j.lock.Unlock()
	return slices.ContainsFunc(j.added, func(r record) bool { return r.Key == k })
}
