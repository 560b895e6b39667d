// Package routes is the public route table of the proxy as data: which request
// goes where, and how its path is changed on the way. It makes the table from a
// few plain values (Table) and prints it for people.
//
// It does not know Caddy: package caddyconf makes routes of the rows.
package routes
