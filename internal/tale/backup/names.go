package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// restoringEnding and beforeMark are in the names of databases: of one that is being
	// filled, and of one that was there before.
	restoringEnding = "_restoring"
	beforeMark      = "_before_"
	mostName        = 63 // of Postgres, bytes
	runTime         = "20060102150405"
)

// replacedName returns the name that a database gets which a run replaces.
func replacedName(database, run string) string {
	return beside(database, beforeMark+run[len(run)-len(runTime):])
}

// beside returns the name of a database that belongs to another one. Postgres cuts long
// names, so that of such a name the sum keeps it apart from others that begin alike.
func beside(database, ending string) string {
	if len(database)+len(ending) <= mostName {
		return database + ending
	}
	sum := sha256.Sum256([]byte(database))
	ending = "_" + hex.EncodeToString(sum[:4]) + ending
	cut := mostName - len(ending)
	for !utf8.RuneStart(database[cut]) {
		cut--
	}
	return database[:cut] + ending
}

// endingOfBefore returns what the name of a replaced database ends with, if it is one.
func endingOfBefore(database string) (ending string, is bool) {
	i := strings.LastIndex(database, beforeMark)
	if i < 0 {
		return "", false
	}
	_, err := time.Parse(runTime, database[i+len(beforeMark):])
	return database[i:], err == nil
}
