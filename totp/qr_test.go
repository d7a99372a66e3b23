package totp_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/totp"
)

// The picture is read back from its path by a reader written from ISO/IEC
// 18004 alone, with the quiet zone around it, and says the URI.
func TestSVGReadsBack(t *testing.T) {
	for _, o := range []totp.Options{
		{Issuer: "Ex", Account: "j"},
		{Issuer: "Example", Account: "jane"},
		{Issuer: "Example", Account: "jane@acme.example"},
		{Issuer: "Example Panel", Account: "jane@acme.example"},
		{Issuer: "Example Panel & Söhne", Account: "jane.doe@acme.example", Algorithm: totp.SHA256, Digits: 8},
		{Issuer: "Example Panel & Sons, Hosting", Account: "jane.doe@department.acme.example"},
	} {
		k, err := totp.Generate(o)
		if err != nil {
			t.Fatal(err)
		}
		svg, err := k.SVG()
		if err != nil {
			t.Fatal(err)
		}
		if got := readQR(t, modules(t, svg)); got != k.URI() {
			t.Errorf("%s: reads %q, want %q", o.Issuer, got, k.URI())
		}
		if len(svg) > 32<<10 {
			t.Errorf("%d bytes", len(svg))
		}
		if strings.Contains(svg, k.Secret().Base32()) || strings.Contains(svg, "style") || strings.Contains(svg, "script") {
			t.Error("more than modules in the picture")
		}
	}
	long := strings.Repeat("é", 60) // the longest labels still fit
	k, err := totp.Generate(totp.Options{Issuer: long, Account: long})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.SVG(); err != nil {
		t.Error(err)
	}
}

var (
	svgFrame = regexp.MustCompile(`^<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 (\d+) (\d+)"[^>]*><rect width="(\d+)" height="(\d+)" fill="#fff"/><path d="([^"]+)"/></svg>$`)
	svgRun   = regexp.MustCompile(`^M(\d+) (\d+)h(\d+)v1h-(\d+)z`)
)

// modules draws the path and takes the quiet zone off, which must be white.
func modules(t *testing.T, svg string) [][]bool {
	t.Helper()
	f := svgFrame.FindStringSubmatch(svg)
	if f == nil || f[1] != f[2] || f[1] != f[3] || f[1] != f[4] {
		t.Fatalf("not the frame expected: %.200s", svg)
	}
	var side int
	fmt.Sscan(f[1], &side)
	n := side - 8
	grid := make([][]bool, n)
	for i := range grid {
		grid[i] = make([]bool, n)
	}
	for path := f[5]; path != ""; {
		m := svgRun.FindStringSubmatch(path)
		if m == nil {
			t.Fatalf("path: %.40s", path)
		}
		var x, y, w, back int
		fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &w, &back)
		if w != back || w < 1 || x < 4 || y < 4 || x+w > side-4 || y >= side-4 {
			t.Fatalf("a run in the quiet zone or not closed: %s", m[0])
		}
		for i := range w {
			grid[y-4][x-4+i] = true
		}
		path = path[len(m[0]):]
	}
	return grid
}

// Level M: blocks of data codewords, and centres of alignment patterns.
var qrVersions = map[int]struct {
	blocks []int
	align  []int
}{
	5:  {[]int{43, 43}, []int{6, 30}},
	6:  {[]int{27, 27, 27, 27}, []int{6, 34}},
	7:  {[]int{31, 31, 31, 31}, []int{6, 22, 38}},
	8:  {[]int{38, 38, 39, 39}, []int{6, 24, 42}},
	9:  {[]int{36, 36, 36, 37, 37}, []int{6, 26, 46}},
	10: {[]int{43, 43, 43, 43, 44}, []int{6, 28, 50}},
	11: {[]int{50, 51, 51, 51, 51}, []int{6, 30, 54}},
}

func readQR(t *testing.T, grid [][]bool) string {
	t.Helper()
	n := len(grid)
	version := (n - 17) / 4
	v, ok := qrVersions[version]
	if !ok || n != 17+4*version {
		t.Fatalf("%d modules: version %d", n, version)
	}
	format := 0
	for i := range 15 { // around the upper left finder, most significant bit first
		x, y := i, 8
		switch {
		case i == 6:
			x = 7
		case i == 7:
			x = 8
		case i == 8:
			x, y = 8, 7
		case i > 8:
			x, y = 8, 14-i
		}
		format <<= 1
		if grid[y][x] {
			format |= 1
		}
	}
	format ^= 0x5412
	if format>>13 != 0 {
		t.Fatalf("error correction level %02b is not M", format>>13)
	}
	words := codewords(grid, version, v.align, format>>10&7)

	blocks := make([][]byte, len(v.blocks))
	for i := 0; i <= v.blocks[len(v.blocks)-1]; i++ {
		for b, size := range v.blocks {
			if i < size {
				blocks[b] = append(blocks[b], words[0])
				words = words[1:]
			}
		}
	}
	var data []byte
	for _, b := range blocks {
		data = append(data, b...)
	}
	at := 0
	bits := func(k int) (x int) {
		for range k {
			x = x<<1 | int(data[at/8]>>(7-at%8)&1)
			at++
		}
		return x
	}
	if mode := bits(4); mode != 4 {
		t.Fatalf("mode %d is not bytes", mode)
	}
	size := 8
	if version > 9 {
		size = 16
	}
	text := make([]byte, bits(size))
	for i := range text {
		text[i] = byte(bits(8))
	}
	return string(text)
}

// codewords walks the data modules from the lower right corner, in columns of
// two, and takes the mask off.
func codewords(grid [][]bool, version int, align []int, mask int) []byte {
	n := len(grid)
	var out []byte
	var word byte
	count := 0
	up := true
	for right := n - 1; right > 0; right -= 2 {
		if right == 6 {
			right--
		}
		for i := range n {
			y := i
			if up {
				y = n - 1 - i
			}
			for _, x := range []int{right, right - 1} {
				if isFunction(n, version, align, x, y) {
					continue
				}
				word <<= 1
				if grid[y][x] != masked(mask, y, x) {
					word |= 1
				}
				if count++; count%8 == 0 {
					out = append(out, word)
				}
			}
		}
		up = !up
	}
	return out
}

func isFunction(n, version int, align []int, x, y int) bool {
	switch {
	case x < 9 && y < 9, x >= n-8 && y < 9, x < 9 && y >= n-8, x == 6, y == 6:
		return true
	case version >= 7 && (x >= n-11 && y < 6 || y >= n-11 && x < 6):
		return true
	}
	last := align[len(align)-1]
	for _, cx := range align {
		for _, cy := range align {
			if cx == 6 && cy == 6 || cx == 6 && cy == last || cx == last && cy == 6 {
				continue
			}
			if x >= cx-2 && x <= cx+2 && y >= cy-2 && y <= cy+2 {
				return true
			}
		}
	}
	return false
}

func masked(mask, i, j int) bool {
	return []int{(i + j) % 2, i % 2, j % 3, (i + j) % 3, (i/2 + j/3) % 2, i*j%2 + i*j%3,
		(i*j%2 + i*j%3) % 2, ((i+j)%2 + i*j%3) % 2}[mask] == 0
}
