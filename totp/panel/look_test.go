package panel_test

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp/panel"
)

var (
	usedKey = regexp.MustCompile(`\.T "([^"]+)"|\b(?:text|sheet|ask)\("(?:[a-z]+", ")?([a-z]+\.[a-z.]+)"`)
	verb    = regexp.MustCompile(`%(\[\d\])?[a-z]`)
)

// Every language has every text, with the same blanks in it, and no text is for
// nothing.
func TestTexts(t *testing.T) {
	texts := panel.Texts()
	for _, lang := range []string{"en", "de", "nl", "fr", "es"} {
		all := texts[lang]
		if len(all) != len(texts["en"]) {
			t.Errorf("%s has %d texts, en has %d", lang, len(all), len(texts["en"]))
		}
		for key, text := range texts["en"] {
			if all[key] == "" || !slices.Equal(verb.FindAllString(text, -1), verb.FindAllString(all[key], -1)) {
				t.Errorf("%s %s: %q, in English %q", lang, key, all[key], text)
			}
			if lang != "en" && all[key] == text && len(text) > 14 && key != "day" {
				t.Errorf("%s %s is not translated: %q", lang, key, text)
			}
		}
		if n := strings.Count(all["months"], ","); n != 11 {
			t.Errorf("%s has %d months", lang, n+1)
		}
	}
	names, err := fs.Glob(panel.Files, "templates/*.html")
	if err != nil || len(names) < 4 {
		t.Fatalf("%d templates, %v", len(names), err)
	}
	everything := ""
	for _, name := range names {
		raw, err := panel.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		everything += string(raw)
		for _, m := range usedKey.FindAllStringSubmatch(string(raw), -1) {
			if _, ok := texts["en"][m[1]+m[2]]; !ok {
				t.Errorf("%s uses %q, which no language has", name, m[1]+m[2])
			}
		}
	}
	for _, name := range []string{"change.go", "codes.go", "enroll.go", "refuse.go", "render.go", "challenge.go"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		everything += string(raw)
	}
	for key := range texts["en"] {
		made := regexp.MustCompile(`^(event|said|renew|replace|add|off)\.|^challenge\.title$`).MatchString(key) // put together
		if !made && !strings.Contains(everything, `"`+key+`"`) {
			t.Errorf("no page says %q", key)
		}
	}
}

// Every page is rendered in every language, in the frame and whole.
func TestLanguages(t *testing.T) {
	for _, lang := range []string{"en", "de", "nl", "fr", "es"} {
		inHouse(t, func(h *house) {
			h.user.Locale = lang + "_XX"
			b := h.browser()
			texts := panel.Texts()[lang]
			says := func(a answer, keys ...string) {
				h.Helper()
				a.want(a.status, fmt.Sprintf("<html lang=%q", lang), "</html>")
				if strings.Contains(a.body, "%!") {
					t.Errorf("%s: a blank is not filled: %s", lang, a.body)
				}
				for _, key := range keys {
					a.want(a.status, strings.NewReplacer("'", "&#39;", `"`, "&#34;").Replace(texts[key]))
				}
			}
			says(b.get(path), "start.title", "shared.each")
			b.post(path + "/start")
			says(b.get(path+"/setup"), "setup.scan", "setup.shared")
			says(b.post(path+"/confirm", "code", "1"), "setup.prove")
			page := h.enroll(b)
			says(page, "codes.title", "codes.saved")
			b.post(path+"/codes.txt", page.hidden()...).want(200, texts["codes.made"], texts["codes.once"])
			says(b.get(path), "status.title", "device.head")
			says(b.get(path+"/codes"), "renew.text", "code.current")
			says(b.get(path+"/replace?with=backup"), "replace.text", "code.backup")
			says(b.get(path+"/add"), "add.text", "add.example")
			says(b.get(path+"/off"), "off.text", "off.keep")
			key := h.second(b, "Tablet")
			page = b.get(path + "?said=added")
			says(page, "said.added", "event.device_added", "device.remove")
			says(b.get(removal.FindStringSubmatch(page.body)[1]), "remove.text", "remove.do")
			says(b.post("/code", "code", showing(h, key, time.Now().Add(5*time.Minute))), "challenge.title")
			says(b.get("/code"), "challenge.text", "challenge.lost")
			says(b.post("/code", "code", h.wrong()), "challenge.title")
			// An error is in the language of the browser, for it has no user.
			r := b.request("GET", path+"/nowhere", nil)
			r.Header.Set("Accept-Language", lang+";q=0.9")
			says(b.do(r), "error.title", "error.page")
		})
	}
}

// Whatever a browser sends, the page has a language, and whatever a user is
// called, the file has a name that fits into a header.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"de-AT,de;q=0.9", "*", "xx;;,nl_BE", "jane@acme.example", "../../x\r\nSet-Cookie: a", "\u202egnp.exe", "日本語"} {
		f.Add(seed)
	}
	safe := regexp.MustCompile(`^[A-Za-z0-9._-]{0,60}$`)
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := panel.Texts()[panel.Language(s)]; !ok {
			t.Errorf("language %q", panel.Language(s))
		}
		if n := panel.FileName(s); !safe.MatchString(n) || strings.HasPrefix(n, ".") {
			t.Errorf("file name %q", n)
		}
		if v := panel.Visible(s); strings.ContainsAny(v, "\r\n\u202e\u200b") {
			t.Errorf("visible %q", v)
		}
	})
}

var token = regexp.MustCompile(`--tfa-([a-z]+):(?:var\(--panel-[a-z-]+,)?(?:light-dark\(#([0-9a-f]+),#([0-9a-f]+)\)|#([0-9a-f]+))`)

// Every colour that text has stands out from every ground it is put on, in
// both schemes, by 4.5 to 1 (WCAG 1.4.3).
func TestContrast(t *testing.T) {
	css, err := panel.Files.ReadFile("static/panel.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := [2]map[string]string{{}, {}}
	for _, m := range token.FindAllStringSubmatch(string(css), -1) {
		schemes[0][m[1]], schemes[1][m[1]] = m[2]+m[4], m[3]+m[4]
	}
	pairs := map[string][]string{"ink": {"bg", "surface", "sunk"}, "mute": {"surface", "sunk"}, "link": {"surface", "sunk"},
		"okink": {"okbg"}, "warnink": {"warnbg"}, "badink": {"badbg"}, "on": {"accent", "danger"}}
	for i, name := range []string{"light", "dark"} {
		for ink, grounds := range pairs {
			for _, ground := range grounds {
				if r := ratio(t, schemes[i][ink], schemes[i][ground]); r < 4.5 {
					t.Errorf("%s: %s on %s is %.2f to 1", name, ink, ground, r)
				}
			}
		}
		if r := ratio(t, schemes[i]["edge"], schemes[i]["surface"]); r < 3 { // WCAG 1.4.11
			t.Errorf("%s: the edge of a field is %.2f to 1", name, r)
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
