package browser_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const top = "../../.."

// The pages that owners come to, in each language and each state, as the desk wrote
// them: at 320 px, and with text of twice the size, nothing sticks out and nothing is
// cut off (WCAG 1.4.4, 1.4.10). A page that is loaded and run, as scanners of mail do,
// sends nothing by itself.
func TestOwnerPages(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	dir := t.TempDir()
	write := exec.Command("go", "test", "-count=1", "-run", "^TestOwnerPages$", "./ui")
	write.Dir, write.Env = top, append(os.Environ(), "RESETDESK_PAGES="+dir)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("write the pages: %v\n%s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "owner-*.html"))
	if err != nil || len(pages) != 5*8 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	var sent atomic.Int64
	files := http.NewServeMux()
	files.Handle("/r/", http.StripPrefix("/r/", http.FileServer(http.Dir(dir))))
	files.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(filepath.Join(top, "ui", "static")))))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			sent.Add(1)
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewContext(browser)
	t.Cleanup(stop)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	looks := 0
	for _, page := range pages {
		for _, look := range []struct {
			name  string
			width int64
			text  string
		}{{"320 px", 320, "100%"}, {"text of 200 %", 1280, "200%"}, {"640 px with text of 200 %", 640, "200%"}} {
			var faults []string
			var letters float64 // size of text
			err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(look.width, 800, 1, false),
				chromedp.Navigate(server.URL+"/r/"+filepath.Base(page)), chromedp.WaitReady("main"),
				chromedp.Evaluate(`document.documentElement.style.fontSize = "`+look.text+`"; parseFloat(getComputedStyle(document.querySelector("main p")).fontSize)`, &letters),
				chromedp.Evaluate(examine, &faults))
			if err != nil {
				t.Fatalf("%s: %v", filepath.Base(page), err)
			}
			looks++
			if look.text == "200%" && letters < 30 {
				t.Errorf("%s: the text does not follow the size that the reader set: %v px", filepath.Base(page), letters)
			}
			for _, f := range faults {
				t.Errorf("%s, %s: %s", filepath.Base(page), look.name, f)
			}
		}
	}
	if n := sent.Load(); n != 0 {
		t.Errorf("%d forms were sent by pages alone", n)
	}
	t.Logf("%d pages, %d looks", len(pages), looks)
}
