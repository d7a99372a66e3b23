//go:build race

package review_test

// courses is how many random courses are run. SQLite in Go is 15 times slower
// under the race detector.
const courses = 8

// sample: one of so many pairs of event and role is tried in each state.
const sample = 10
