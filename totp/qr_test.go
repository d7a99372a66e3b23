package totp_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/resetdesk/resetdesk/totp"
)

// Both pictures, decoded by a decoder that is not ours (a port of ZXing), say
// the URI, for every golden one and for the longest labels there are.
func TestQRDecodes(t *testing.T) {
	long := strings.Repeat("é", 60)
	all := []totp.Options{{Issuer: "Ex", Account: "j"}, {Issuer: long, Account: long}}
	for _, g := range goldenURIs {
		all = append(all, g.options)
	}
	for _, o := range all {
		k, err := totp.Generate(o)
		if err != nil {
			t.Fatal(err)
		}
		svg, err := k.SVG()
		if err != nil {
			t.Fatal(err)
		}
		if got := decodeQR(t, paint(t, svg, 3)); got != k.URI() {
			t.Errorf("SVG of %s: reads %q, want %q", o.Issuer, got, k.URI())
		}
		if len(svg) > 64<<10 || strings.Contains(svg, k.Secret().Base32()) || strings.Contains(svg, "style") || strings.Contains(svg, "script") {
			t.Errorf("%d bytes, or more than modules in the picture", len(svg))
		}
		for _, scale := range []int{2, 5} {
			b, err := k.PNG(scale)
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if got := decodeQR(t, img); got != k.URI() {
				t.Errorf("PNG of %s at %d: reads %q, want %q", o.Issuer, scale, got, k.URI())
			}
			same := paint(t, svg, scale) // the quiet zone is checked there
			for i := range img.Bounds().Dx() {
				for j := range img.Bounds().Dy() {
					if color.GrayModel.Convert(img.At(i, j)) != same.At(i, j) || img.Bounds() != same.Bounds() {
						t.Fatalf("SVG and PNG differ at %d, %d", i, j)
					}
				}
			}
		}
	}
	k := generate(t)
	for _, scale := range []int{-1, 0, 33, 1 << 30} {
		if _, err := k.PNG(scale); err == nil {
			t.Errorf("a scale of %d", scale)
		}
	}
	if _, err := (totp.Key{}).PNG(3); err == nil {
		t.Error("the zero key has a picture")
	}
}

func decodeQR(t *testing.T, img image.Image) string {
	t.Helper()
	b, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	// The picture as it is: finding a code in a photograph is the phone's affair.
	res, err := qrcode.NewQRCodeReader().Decode(b, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetText()
}

var (
	svgFrame = regexp.MustCompile(`^<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 (\d+) (\d+)"[^>]*><rect width="(\d+)" height="(\d+)" fill="#fff"/><path d="([^"]+)"/></svg>$`)
	svgRun   = regexp.MustCompile(`^M(\d+) (\d+)h(\d+)v1h-(\d+)z`)
)

// paint draws the path, and wants the quiet zone white.
func paint(t *testing.T, svg string, scale int) image.Image {
	t.Helper()
	f := svgFrame.FindStringSubmatch(svg)
	if f == nil || f[1] != f[2] || f[1] != f[3] || f[1] != f[4] {
		t.Fatalf("not the frame expected: %.200s", svg)
	}
	var side int
	fmt.Sscan(f[1], &side)
	img := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
	for i := range img.Pix {
		img.Pix[i] = 255
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
		for i := x * scale; i < (x+w)*scale; i++ {
			for j := y * scale; j < (y+1)*scale; j++ {
				img.Set(i, j, color.Black)
			}
		}
		path = path[len(m[0]):]
	}
	return img
}
