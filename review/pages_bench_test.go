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
	"sync"
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
	house  *house
	mails  int // taken in while pages were asked for
	base   string
	token  string
	client *http.Client
	pages  map[string][]string
}

// BenchmarkPages asks for the same pages of a desk with 1,000 cases and of one
// with very many, in turns, and tells how much slower the large one is: while
// nothing else happens, and while mail comes in. RESETDESK_TURNS repeats it on the
// same files.
func BenchmarkPages(b *testing.B) {
	n, turns := bigCases(b), 1
	if asked, err := strconv.Atoi(os.Getenv("RESETDESK_TURNS")); err == nil {
		turns = asked
	}
	small, big := openOffice(b, 1000), openOffice(b, n)
	for range turns {
		for _, page := range []string{"queue", "closed", "filtered", "case", "search", "beginning", "words", "audit"} {
			b.Run("quiet/"+page, func(b *testing.B) { besides(b, small, big, page) })
			b.Run("writing/"+page, func(b *testing.B) {
				var mails [2]func() float64
				for i, o := range []*office{small, big} {
					mails[i] = o.write(b)
				}
				besides(b, small, big, page)
				b.ReportMetric(min(mails[0](), mails[1]()), "mails/s")
			})
		}
	}
}

// besides asks for a page of one desk and of the other.
func besides(b *testing.B, small, big *office, page string) {
	var took [2][]time.Duration
	most := 0
	for b.Loop() {
		for side, o := range []*office{small, big} {
			addresses := o.pages[page]
			begun := time.Now()
			bytes := o.get(b, addresses[rand.IntN(len(addresses))])
			took[side], most = append(took[side], time.Since(begun)), max(most, bytes)
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
	b.ReportMetric(float64(most), "bytes/page")
	if most > 60<<10 {
		b.Errorf("a page weighs %d bytes", most)
	}
}

// write takes in and assesses 50 mails a second, of which one in fifty asks for a
// reset, until the returned function is called; it says how many a second they were.
func (o *office) write(b *testing.B) func() float64 {
	done, begun := make(chan struct{}), time.Now()
	var all sync.WaitGroup
	mails := 0
	all.Go(func() {
		ticks := time.NewTicker(time.Second / 50)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
			}
			from, subject, text := fmt.Sprintf("owner%d@bench%d.example", o.mails+1, o.mails+1), "Invoice", "When is it due?"
			if o.mails++; o.mails%50 == 0 {
				subject, text = "2FA reset", forUser(fmt.Sprintf("bench%d", o.mails))
			}
			o.house.deliver(request(from, subject, text))
			mails++
		}
	})
	return func() float64 {
		close(done)
		all.Wait()
		return float64(mails) / time.Since(begun).Seconds()
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
	o := &office{house: h, token: "a token of the benchmark", client: &http.Client{}, pages: map[string][]string{}}
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
