// Package envsync brings the environment variables of a deployment to a goal:
// list, compare, write the differences in one transaction, read back. Values go
// through unchanged to the byte and appear in no log; variables that are not ours
// are left alone.
//
// Which variables there are, and their values, is decided in package platform.
package envsync
