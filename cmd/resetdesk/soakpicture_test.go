package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// picture draws memory and file descriptors over time as one SVG, in colors that
// stand on light and dark pages.
func (s *soak) picture() []byte {
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 470" role="img" font-family="system-ui,sans-serif" font-size="12">
<title>Memory and file descriptors of resetdesk during the soak</title>
<style>svg{color:#1f2328}.memory{stroke:#0969da}.fds{stroke:#bc4c00}@media(prefers-color-scheme:dark){svg{color:#e6edf3}.memory{stroke:#58a6ff}.fds{stroke:#f0883e}}
text{fill:currentColor}.axis{stroke:currentColor;opacity:.25}.kill{stroke:currentColor;opacity:.7}.memory,.fds{fill:none;stroke-width:1.5}.quiet{fill:currentColor;opacity:.06}</style>
`)
	s.panel(&b, 40, "memory", "memory of the process (RSS), MB", func(x sample) float64 { return x.rss / 1024 })
	s.panel(&b, 250, "fds", "open file descriptors", fds)
	unit, step := time.Minute, s.length/6
	name := "minutes since the start"
	if s.length < 5*time.Minute {
		unit, name = time.Second, "seconds since the start"
	}
	for at := time.Duration(0); at <= s.length; at += step {
		fmt.Fprintf(&b, `<text x="%.1f" y="425" text-anchor="middle">%.3g</text>`+"\n", s.x(at), float64(at)/float64(unit))
	}
	fmt.Fprintf(&b, `<text x="450" y="448" text-anchor="middle">%s; each tick on an axis is a kill -9 and a start, none in the shaded third; %d mails a second all the time</text>`+"\n</svg>\n", name, s.rate)
	return []byte(b.String())
}

const left, wide, high = 60.0, 780.0, 150.0

func (s *soak) x(at time.Duration) float64 { return left + wide*float64(at)/float64(s.length) }

// panel draws one value below y, from zero to a round number.
func (s *soak) panel(b *strings.Builder, y float64, class, title string, value func(sample) float64) {
	top := 1.0
	for _, x := range s.samples {
		top = max(top, value(x))
	}
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for top/step < 2.5 {
		step /= 2
	}
	top = math.Ceil(top*1.05/step) * step
	fmt.Fprintf(b, `<text x="%g" y="%g" font-weight="600">%s</text>`+"\n", left, y-10, title)
	fmt.Fprintf(b, `<rect class="quiet" x="%.1f" y="%g" width="%.1f" height="%g"/>`+"\n", s.x(s.length/3), y, wide/3, high)
	for v := 0.0; v <= top; v += step {
		at := y + high - high*v/top
		fmt.Fprintf(b, `<path class="axis" d="M%g %.1fh%g"/><text x="%g" y="%.1f" text-anchor="end">%.4g</text>`+"\n", left, at, wide, left-8, at+4, v)
	}
	for _, k := range s.kills {
		fmt.Fprintf(b, `<path class="kill" d="M%.1f %gv8"/>`+"\n", s.x(k), y+high)
	}
	fmt.Fprintf(b, `<path class="%s" d="%s"/>`+"\n", class, s.line(y, top, value))
}

// line goes through the highest sample of each pixel, so that no peak is hidden,
// and begins anew with each start of the program.
func (s *soak) line(y, top float64, value func(sample) float64) string {
	var d strings.Builder
	run := -1
	for i := 0; i < len(s.samples); {
		x, v := s.samples[i], 0.0
		for at := math.Floor(s.x(x.at)); i < len(s.samples) && s.samples[i].run == x.run && math.Floor(s.x(s.samples[i].at)) == at; i++ {
			v = max(v, value(s.samples[i]))
		}
		command := "L"
		if x.run != run {
			command, run = "M", x.run
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", command, s.x(x.at), y+high-high*v/top)
	}
	return d.String()
}
