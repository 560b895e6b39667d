// Package stack is the vocabulary that the services of a stack share: the
// settings that more than one of them reads, with one text and one rule each
// (Instance, Site, Database, Process), and the names, ports, volumes and markers
// by which they find each other (Services).
//
// It knows what the services agree on and nothing of what they do, so it imports
// none of them and builds for every platform. Settings of one service alone stay
// beside that service; how a service logs is set in package logging.
package stack
