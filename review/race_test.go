//go:build race

package review_test

// courses is how many random courses are run. SQLite in Go is 15 times slower
// under the race detector.
const courses = 8
