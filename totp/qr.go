package totp

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/boombuler/barcode/qr"
)

const (
	quietZone = 4  // modules, ISO/IEC 18004
	maxScale  = 32 // pixels a module
)

// A grid is a QR code with its quiet zone; true is a dark module.
type grid [][]bool

func (k Key) grid() (grid, error) {
	uri := k.URI()
	if uri == "" {
		return nil, errors.New("draw QR code: the key is empty")
	}
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		return nil, errors.New("draw QR code: the URI is too long") // err repeats the URI
	}
	side := code.Bounds().Dx()
	g := make(grid, side+2*quietZone)
	for y := range g {
		g[y] = make([]bool, len(g))
	}
	for y := range side {
		for x := range side {
			c := color.GrayModel.Convert(code.At(x, y)).(color.Gray)
			g[y+quietZone][x+quietZone] = c.Y < 128
		}
	}
	return g, nil
}

// SVG returns the QR code of [Key.URI] for use inside an HTML page: one path,
// no script, no style, no reference. Its background is white in every colour
// scheme and includes the quiet zone of four modules, or cameras fail on a
// dark page. It contains the secret as surely as the URI does.
func (k Key) SVG() (string, error) {
	g, err := k.grid()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	full := len(g)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`role="img" aria-label="QR code" shape-rendering="crispEdges"><rect width="%d" height="%d" fill="#fff"/><path d="`,
		full, full, 5*full, 5*full, full, full)
	for y, row := range g {
		for x := 0; x < full; x++ {
			if !row[x] {
				continue
			}
			from := x
			for x < full && row[x] {
				x++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from, y, x-from, x-from)
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}

// PNG returns the QR code of [Key.URI] as a picture with its quiet zone, scale
// pixels a module (1 to 32; at 5 it is some 250 pixels wide). For pages, SVG is
// smaller, sharper and faster.
func (k Key) PNG(scale int) ([]byte, error) {
	if scale < 1 || scale > maxScale {
		return nil, fmt.Errorf("draw QR code: a scale is 1 to %d", maxScale)
	}
	g, err := k.grid()
	if err != nil {
		return nil, err
	}
	side := len(g) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if g[y/scale][x/scale] {
				img.Pix[y*img.Stride+x] = 1
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return b.Bytes(), nil
}
