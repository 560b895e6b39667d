// Package volume looks after the data folder: it refuses a start that would harm
// what is in it, remembers who used it, removes old temporary files and bounds the
// logs that are kept there.
//
// It never deletes or changes what the backend stores.
package volume
