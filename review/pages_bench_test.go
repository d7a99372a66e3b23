package review_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/ui"
)

// bigCases is how many cases the large file of BenchmarkPages has, with five
// events of the audit each: RESETDESK_CASES=1000000 takes some minutes and
// gigabytes of the temporary folder.
func bigCases(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("RESETDESK_CASES"))
	if os.Getenv("RESETDESK_CASES") == "" {
		return 20_000
	}
	if err != nil || n < 2000 {
		b.Fatal("RESETDESK_CASES must be a number of at least 2000")
	}
	return n
}

// An office is a filled house whose pages a signed-in browser asks for.
type office struct {
	base   string
	token  string
	client *http.Client
	pages  map[string][]string
}

// BenchmarkPages asks for the same pages of a desk with 1,000 cases and of one
// with very many, in turns, and tells how much slower the large one is.
func BenchmarkPages(b *testing.B) {
	n := bigCases(b)
	small, big := openOffice(b, 1000), openOffice(b, n)
	for _, page := range []string{"queue", "closed", "filtered", "case", "search", "beginning", "words", "audit"} {
		b.Run(page, func(b *testing.B) {
			var took [2][]time.Duration
			var most [2]int
			for i := 0; b.Loop(); i++ {
				for side, o := range []*office{small, big} {
					addresses := o.pages[page]
					begun := time.Now()
					bytes := o.get(b, addresses[rand.IntN(len(addresses))])
					took[side], most[side] = append(took[side], time.Since(begun)), max(most[side], bytes)
				}
			}
			rate := func(all []time.Duration) float64 {
				var sum time.Duration
				for _, d := range all {
					sum += d
				}
				return float64(len(all)) / sum.Seconds()
			}
			p99 := func(all []time.Duration) float64 {
				slices.Sort(all)
				return float64(all[len(all)*99/100]) / float64(time.Millisecond)
			}
			b.ReportMetric(rate(took[0]), "small-req/s")
			b.ReportMetric(rate(took[1]), "big-req/s")
			b.ReportMetric(rate(took[1])/rate(took[0]), "ratio")
			b.ReportMetric(p99(took[0]), "small-p99-ms")
			b.ReportMetric(p99(took[1]), "big-p99-ms")
			b.ReportMetric(float64(max(most[0], most[1])), "bytes/page")
			if n := max(most[0], most[1]); n > 60<<10 {
				b.Errorf("a page weighs %d bytes", n)
			}
		})
	}
}

func openOffice(b *testing.B, cases int) *office {
	b.Helper()
	h := newHouse(b, b.TempDir(), nil)
	open := min(cases/2, 5000)
	begun := time.Now()
	h.fill(cases-open, open)
	file, err := os.Stat(h.path)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d cases, %d of them open, %d events, %d MB, made in %s", h.count(`SELECT count(*) FROM reset_case`), open, h.count(`SELECT count(*) FROM audit`),
		file.Size()>>20, time.Since(begun).Round(time.Second))
	o := &office{token: "a token of the benchmark", client: &http.Client{}, pages: map[string][]string{}}
	hash, now := sha256.Sum256([]byte(o.token)), time.Now()
	if _, err := h.sql().Exec(`INSERT INTO session (hash, reviewer_id, created_at, seen_at, expires_at, factor_at, ip, agent)
		SELECT $1, id, $2, $2, $3, $2, '', '' FROM reviewer WHERE email = 'rita@host.example'`, hash[:], now.UnixMicro(), now.Add(time.Hour*8).UnixMicro()); err != nil {
		b.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	o.base = "http://" + server.Listener.Addr().String()
	server.Config.Handler, err = ui.New(ui.Config{Desk: h.desk, BaseURL: o.base, Brand: "Example"})
	if err != nil {
		b.Fatal(err)
	}
	server.Start()
	b.Cleanup(server.Close)
	o.pages = map[string][]string{"queue": {"/"}, "closed": {"/?tab=closed"}, "filtered": {"/?tab=closed&risk=high&verdict=unverified", "/?risk=high"}, "audit": {"/audit"}, "words": {"/?q=bench+gmbh"}, "beginning": {"/?q=owner1", "/?q=b-1"}}
	for range 50 {
		id := 1001 + rand.IntN(cases)
		number := h.text(`SELECT number FROM reset_case WHERE id = $1`, id)
		o.pages["case"] = append(o.pages["case"], "/cases/"+number)
		o.pages["search"] = append(o.pages["search"], "/?q="+number, fmt.Sprintf("/?q=m%d@bench.example", id-1000))
	}
	for _, all := range o.pages { // warm, and every one must be there
		for _, at := range all {
			o.get(b, at)
		}
	}
	return o
}

// get asks for a page and returns its weight.
func (o *office) get(b *testing.B, at string) int {
	b.Helper()
	r, err := http.NewRequest(http.MethodGet, o.base+at, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "resetdesk", Value: o.token})
	answer, err := o.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: %d, %v", at, answer.StatusCode, err)
	}
	return len(body)
}
