// Package config turns environment variables into typed, checked settings.
//
// A settings struct names its variables in tags:
//
//	Port int `env:"PORT" tier:"advanced" envDefault:"3000" doc:"Port the web server listens on." accept:"a port from 1 to 65535"`
//
// Load fills it and returns every problem at once, never the first one only.
// The same tags are the source of docs/environment.md (Describe). An empty
// variable counts as unset, because compose files pass NAME= for what a user
// left out; the tag empty:"keep" makes empty a value of its own.
//
// A field tagged secret:"true" also accepts NAME_FILE, the path of a mounted
// secret file, and its value never appears in a problem; file:"false" turns the
// file form off where NAME_FILE already means something else.
//
// The package does not know any service's settings; those live beside the code
// that uses them.
package config
