// Package compose makes the compose files of a project: which containers there are for
// which release and colour, and what each of them is made of. What the services have in
// common with docker-compose.yml comes from package stack, what the operator changes
// from compose.override.yml, merged as the compose plugin merges it.
//
// It reads the project's folder and nothing else: which images there are and what runs
// is for others to know. Nothing is written before all of it is valid.
package compose
