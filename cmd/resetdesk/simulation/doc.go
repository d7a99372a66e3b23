// Package simulation holds a test alone: the whole program (desk, watcher,
// postman and pages on a real database) in a bubble of virtual time, between
// in-process mail servers, with everybody who has to do with it, and faults of
// network, disk, clock and process. A seed gives the course of it, from a situation
// to which the program came before; after each step the promises are read by plain SQL.
package simulation
