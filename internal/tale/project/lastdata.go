package project

import (
	"slices"
	"strconv"
	"strings"
)

// LastData returns the entry of the last release that served, without images where its data
// were removed by tale since.
func LastData(entries []Entry) (last Entry) {
	for _, e := range entries {
		words := strings.Fields(e.Command)
		switch {
		case e.Result != Done:
		case slices.Contains(words, "reset") && slices.ContainsFunc(words, tellsVolumes):
			if last.Project == "" || e.Project == last.Project { // else they have the former id, and stay
				last = Entry{}
			}
		case len(e.Images) > 0:
			last = e
		}
	}
	return last
}

func tellsVolumes(word string) bool {
	value, given := strings.CutPrefix(word, "--volumes=")
	yes, err := strconv.ParseBool(value)
	return word == "--volumes" || given && yes && err == nil
}
