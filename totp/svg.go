package totp

import (
	"errors"
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

const quietZone = 4 // modules, ISO/IEC 18004

// SVG returns the QR code of [Key.URI] for use inside an HTML page: one path,
// no script, no style, no reference. Its background is white in every colour
// scheme and includes the quiet zone of four modules, or cameras fail on a
// dark page. It contains the secret as surely as the URI does.
func (k Key) SVG() (string, error) {
	uri := k.URI()
	if uri == "" {
		return "", errors.New("draw QR code: the key is empty")
	}
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		return "", errors.New("draw QR code: the URI is too long") // err repeats the URI
	}
	side := code.Bounds().Dx()
	dark := func(x, y int) bool {
		c := color.GrayModel.Convert(code.At(x, y)).(color.Gray)
		return c.Y < 128
	}
	var b strings.Builder
	full := side + 2*quietZone
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`role="img" aria-label="QR code" shape-rendering="crispEdges"><rect width="%d" height="%d" fill="#fff"/><path d="`,
		full, full, 5*full, 5*full, full, full)
	for y := range side {
		for x := 0; x < side; x++ {
			if !dark(x, y) {
				continue
			}
			from := x
			for x < side && dark(x, y) {
				x++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}
