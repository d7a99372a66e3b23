// Package powercut holds a test alone: the desk on a file system that forgets, at
// a cut of the power, what was not synced. kill -9 does not test durability, for
// what a process wrote survives it (200 kills without any sync lose nothing); this
// does. It has a module of its own, for FUSE, which the program does not need.
//
// It runs where /dev/fuse can be mounted (root on Linux) and is skipped elsewhere,
// with CI=true failed.
package powercut
