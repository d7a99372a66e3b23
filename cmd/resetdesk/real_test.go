package main

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// staffOfStories is how many reviewers decide many stories in turns: one has a code
// every half minute.
const staffOfStories = 60

// The whole story with the real program, a real Dovecot and a real SMTP server:
// from the mail's delivery to the confirmation at the mail server. The number
// of stories can be raised to measure (RESETDESK_STORIES).
func TestStoryOnRealServers(t *testing.T) {
	n, asked := 3, os.Getenv("RESETDESK_STORIES")
	if asked != "" {
		var err error
		if n, err = strconv.Atoi(asked); err != nil || n < 1 {
			t.Fatalf("RESETDESK_STORIES=%s: %v", asked, err)
		}
	}
	w := newWorld(t, n, min(n, staffOfStories))
	s := stories{world: w, db: w.plainSQL(), notices: &notices{}, letters: &accepted{}}
	w.redirect(w.dovecot.Addr(), newTap(t, w.dovecot.Addr(), func() listener { return s.notices }).Addr().String())
	w.redirect(w.sink.Addr(), newTap(t, w.sink.Addr(), func() listener { return &transaction{into: s.letters} }).Addr().String())
	w.start()
	w.ready()
	s.until("the first look", func() bool { _, looked := s.notices.after(time.Time{}); return looked })
	var toCase, ourShare, toLetter moments
	for i := range n {
		c, o, l := s.story(i)
		toCase, ourShare, toLetter = append(toCase, c), append(ourShare, o), append(toLetter, l)
	}
	w.stop()
	for _, m := range []struct {
		name string
		moments
	}{{"arrival-to-case", toCase}, {"notice-to-case", ourShare}, {"approval-to-accepted", toLetter}} {
		slices.Sort(m.moments)
		t.Logf("%d stories: %s %s", n, m.name, m.moments)
		if asked != "" {
			m.print(m.name)
		}
	}
}

// redirect lets the program talk to another port of this machine.
func (w *world) redirect(from, to string) {
	w.t.Helper()
	b, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	port := func(addr string) string { return "\nport = " + addr[strings.LastIndexByte(addr, ':')+1:] + "\n" }
	text := strings.Replace(string(b), port(from), port(to), 1)
	if text == string(b) {
		w.t.Fatalf("the configuration has no %q", port(from))
	}
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// stories are told one after the other; what passes between the program and the
// servers is heard.
type stories struct {
	*world
	db      *sql.DB
	notices *notices
	letters *accepted
	read    int // of letters, by the stories before
}

// story returns how long it took from the end of the delivery until the case was
// committed, from the server's notice until then, and from the answer to the approval to the 250
// for the last of its three letters.
func (s *stories) story(i int) (toCase, ourShare, toLetter time.Duration) {
	t, account := s.t, fmt.Sprintf("A-%d", i)
	staff := s.reviewers[i%len(s.reviewers)]
	began := time.Now()
	if err := s.dovecot.Deliver(requestMail(i, fmt.Sprintf("story%d@company%d.example", i, i))); err != nil {
		t.Fatal(err)
	}
	arrived, number := time.Now(), ""
	s.until("the case", func() bool {
		return s.db.QueryRow(`SELECT number FROM reset_case WHERE account_id = $1`, account).Scan(&number) == nil
	})
	toCase = time.Since(arrived)
	notice, ok := s.notices.after(began)
	if !ok {
		t.Fatalf("a case without a notice: %s", s.logTail())
	}
	ourShare = time.Since(notice)
	if _, page, err := s.get("/?q="+account, staff); err != nil || !strings.Contains(page, number) {
		t.Fatalf("%s is not on the queue page: %v", number, err)
	}

	s.confirm(i)
	var done bool
	s.until("the approval", func() bool {
		var err error
		if done, err = s.approve(staff, number, account); !done && err != errNoCode {
			t.Fatalf("approve: %v\n%s", err, s.logTail())
		}
		return done
	})
	began = time.Now()
	last := began
	s.until("the confirmation", func() bool {
		reset, pass := s.sent(i, "was reset"), s.sent(i, "enrollment pass")
		if len(reset) != 2 || len(pass) != 1 {
			return false
		}
		for _, l := range append(reset, pass...) {
			if l.at.After(last) {
				last = l.at
			}
		}
		return true
	})
	s.read = len(s.letters.since(0))
	return toCase, ourShare, last.Sub(began)
}

// until waits for at most a minute. It looks often: what is seen late looks slow.
func (s *stories) until(what string, f func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited for %s\n%s", what, s.logTail())
		}
	}
}

// confirm is the owner's yes.
func (s *stories) confirm(i int) {
	link := ""
	s.until("the confirm link", func() bool {
		for _, l := range s.sent(i, "Please confirm") {
			if strings.HasPrefix(l.to, "admin@") {
				link = ownerLink.FindString(l.text)
			}
		}
		return link != ""
	})
	if status, _, err := s.get(link, nil); status != 200 || err != nil {
		s.t.Fatalf("owner page: %d %v", status, err)
	}
	if status, page, err := s.post(link, map[string][]string{"answer": {"yes"}}, nil); status != 303 || err != nil {
		s.t.Fatalf("owner's yes: %d %v %s", status, err, page)
	}
}

// sent are the letters of this story that were taken, with a subject like that.
func (s *stories) sent(i int, subject string) (all []taken) {
	for _, l := range s.letters.since(s.read) {
		if strings.HasSuffix(l.to, fmt.Sprintf("@company%d.example", i)) && strings.Contains(l.subject, subject) {
			all = append(all, l)
		}
	}
	return all
}

// moments are sorted before they are asked.
type moments []time.Duration

func (m moments) at(percent int) time.Duration { return m[min(len(m)*percent/100, len(m)-1)] }

func (m moments) String() string {
	return fmt.Sprintf("median %s, maximum %s", m.at(50).Round(time.Millisecond), m.at(100).Round(time.Millisecond))
}

// print writes a line of Go's benchmark format, and a histogram: a line for each bound
// of a class, with the share of those below it and not below the one before.
func (m moments) print(name string) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	fmt.Printf("BenchmarkMoment/%s %d %.2f p50-ms %.2f p90-ms %.2f p95-ms %.2f p99-ms %.2f max-ms\n", name, len(m),
		ms(m.at(50)), ms(m.at(90)), ms(m.at(95)), ms(m.at(99)), ms(m.at(100)))
	below := 0
	for bound := 5 * time.Millisecond; below < len(m); bound = wider(bound) {
		n, _ := slices.BinarySearch(m, bound)
		if share := float64(n-below) / float64(len(m)); n > 0 {
			fmt.Printf("%-16s < %5.0f ms %5.1f %% %s\n", name, ms(bound), 100*share, strings.Repeat("#", int(share*50+0.5)))
		}
		below = n
	}
}

// wider is the next of 5, 10, 20, 50, 100 and so on.
func wider(d time.Duration) time.Duration {
	if strings.HasPrefix(fmt.Sprint(d.Microseconds()), "2") {
		return d * 5 / 2
	}
	return d * 2
}
