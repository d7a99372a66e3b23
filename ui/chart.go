package ui

import "fmt"

// A chart is bars, each made of parts that stand on each other. It is drawn as
// SVG without script; the table beside it has the same numbers.
type chart struct {
	ID, Title, Desc string
	Legend          []legend
	Bars            []bar
	Lines           []gridLine
	Width           int
}

type legend struct{ Class, Text string }

type bar struct {
	X, Center int
	Label     string
	Parts     []part
}

type part struct {
	Y, H         int
	Class, Title string
}

type gridLine struct {
	Y    int
	Text string
}

const (
	chartHeight = 150 // of the bars; what is written below and above comes to it
	chartTop    = 14
	chartLeft   = 34
	barStep     = 28
	barWidth    = 18
)

// A column is one bar before it is drawn.
type column struct {
	label  string
	values []float64
	titles []string
}

// draw scales columns to the highest of them.
func draw(id, title, desc string, legends []legend, unit string, columns []column) chart {
	c := chart{ID: id, Title: title, Desc: desc, Legend: legends, Width: chartLeft + len(columns)*barStep + 12}
	top := 0.0
	for _, col := range columns {
		sum := 0.0
		for _, v := range col.values {
			sum += v
		}
		top = max(top, sum)
	}
	top = roundUp(top)
	for i := range 3 {
		v := top * float64(i) / 2
		c.Lines = append(c.Lines, gridLine{chartTop + chartHeight - chartHeight*i/2, fmt.Sprintf("%g%s", v, unit)})
	}
	for i, col := range columns {
		if i%3 != (len(columns)-1)%3 { // there is no room for all
			col.label = ""
		}
		b := bar{X: chartLeft + i*barStep + (barStep-barWidth)/2, Center: chartLeft + i*barStep + barStep/2, Label: col.label}
		y := chartTop + chartHeight
		for k, v := range col.values {
			h := int(v / top * chartHeight)
			if v > 0 {
				h = max(h, 2) // a little is not nothing
			}
			y -= h
			b.Parts = append(b.Parts, part{y, h, legends[k].Class, col.titles[k]})
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// roundUp is the next 1, 2 or 5 of a power of ten, at least 2.
func roundUp(v float64) float64 {
	for step := 1.0; ; step *= 10 {
		for _, m := range []float64{2, 4, 10} {
			if v <= m*step {
				return m * step
			}
		}
	}
}
