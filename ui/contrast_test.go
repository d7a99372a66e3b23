package ui_test

import (
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/resetdesk/resetdesk/ui"
)

var token = regexp.MustCompile(`--([a-z]+):(?:light-dark\(#([0-9a-f]+),#([0-9a-f]+)\)|#([0-9a-f]+))`)

// Every colour that text has stands out from every ground it is put on, in
// both schemes, by 4.5 to 1 (WCAG 1.4.3).
func TestContrast(t *testing.T) {
	css, err := ui.Files.ReadFile("static/desk.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := [2]map[string]string{{"white": "fff"}, {"white": "fff"}}
	for _, m := range token.FindAllStringSubmatch(string(css), -1) {
		schemes[0][m[1]], schemes[1][m[1]] = m[2]+m[4], m[3]+m[4]
	}
	pairs := map[string][]string{"ink": {"bg", "panel", "sunk", "line", "okbg", "warnbg", "badbg"}, "mute": {"bg", "panel", "sunk", "badbg"},
		"accent": {"bg", "panel", "sunk"}, "ok": {"okbg", "panel"}, "warn": {"warnbg"}, "bad": {"badbg", "panel", "sunk", "bg"}, "white": {"fill", "danger"}}
	for i, name := range []string{"light", "dark"} {
		for ink, grounds := range pairs {
			for _, ground := range grounds {
				if r := ratio(t, schemes[i][ink], schemes[i][ground]); r < 4.5 {
					t.Errorf("%s: %s on %s is %.2f to 1", name, ink, ground, r)
				}
			}
		}
	}
}

func ratio(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("colour %q", hex)
	}
	sum := 0.0
	for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
		c := float64(n>>(8*i)&0xff) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
