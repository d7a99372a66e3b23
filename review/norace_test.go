//go:build !race

package review_test

// courses is how many random courses are run.
const courses = 60
