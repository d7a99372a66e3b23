//go:build !race

package review_test

// courses is how many random courses are run.
const courses = 60

// sample: one of so many pairs of event and role is tried in each state.
const sample = 1
