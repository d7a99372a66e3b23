package proof

import (
	"fmt"
	"strings"
)

// Common marks the runes of x that belong to a longest common subsequence of x
// and y. It takes time and room of len(x)*len(y).
func Common(x, y []rune) []bool {
	length := make([][]int, len(x)+1)
	for i := range length {
		length[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	same := make([]bool, len(x))
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] == y[j]:
			same[i] = true
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return same
}

// Differences names the characters of a that b does not have in their place,
// with code points, and what b has instead.
func Differences(a, b string) []string {
	x, y := []rune(a), []rune(b)
	if len(x) > 320 || len(y) > 320 { // longer than any address
		return nil
	}
	inX, inY := Common(x, y), Common(y, x)
	var out []string
	for i, j := 0, 0; i < len(x) || j < len(y); {
		if i < len(x) && j < len(y) && inX[i] && inY[j] {
			i, j = i+1, j+1
			continue
		}
		var mine, other []rune
		for ; i < len(x) && !inX[i]; i++ {
			mine = append(mine, x[i])
		}
		for ; j < len(y) && !inY[j]; j++ {
			other = append(other, y[j])
		}
		if len(mine)+len(other) == 0 { // the two subsequences differ: say no more
			return out
		}
		out = append(out, fmt.Sprintf("%s for %s", spelled(mine), spelled(other)))
	}
	return out
}

// spelled writes characters with their code points.
func spelled(s []rune) string {
	if len(s) == 0 {
		return "nothing"
	}
	points := make([]string, len(s))
	for i, r := range s {
		points[i] = fmt.Sprintf("U+%04X", r)
	}
	return fmt.Sprintf("%q (%s)", string(s), strings.Join(points, " "))
}

// Points names the characters of s outside printable ASCII with their code
// points, 40 at most.
func Points(s string) []string {
	var out []string
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			continue
		}
		if len(out) == 40 {
			return append(out, "…")
		}
		out = append(out, fmt.Sprintf("%q U+%04X", r, r))
	}
	return out
}
