package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The whole story with the real program, a real Dovecot and a real SMTP server:
// from the mail's delivery to the confirmation at the mail server. The number
// of stories can be raised to measure (RESETDESK_STORIES).
func TestStoryOnRealServers(t *testing.T) {
	n := 3
	if s := os.Getenv("RESETDESK_STORIES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, n, n)
	w.start()
	w.ready()
	var toQueue, toLetter []time.Duration
	for i := range n {
		q, l := w.story(i)
		toQueue, toLetter = append(toQueue, q), append(toLetter, l)
	}
	w.stop()
	t.Logf("%d stories: mail delivered -> case on the queue page %s; approved -> confirmation at the SMTP server %s", n, spread(toQueue), spread(toLetter))
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	return fmt.Sprintf("median %s, maximum %s", d[len(d)/2].Round(time.Millisecond), d[len(d)-1].Round(time.Millisecond))
}

func (w *world) story(i int) (toQueue, toLetter time.Duration) {
	t, staff := w.t, w.reviewers[i]
	account := fmt.Sprintf("A-%d", i)
	began := time.Now()
	if err := w.dovecot.Deliver(requestMail(i, fmt.Sprintf("story%d@company%d.example", i, i))); err != nil {
		t.Fatal(err)
	}
	number := ""
	await(t, "the case on the queue page", 30*time.Second, func() bool {
		_, page, err := w.get("/?q="+account, staff)
		if m := caseLink.FindStringSubmatch(page); err == nil && m != nil && strings.Contains(page, account) {
			number = m[1]
		}
		return number != ""
	})
	toQueue = time.Since(began)

	link := ""
	await(t, "the confirm link", 30*time.Second, func() bool {
		link = w.confirmLink(i)
		return link != ""
	})
	if status, _, err := w.get(link, nil); status != 200 || err != nil {
		t.Fatalf("owner page: %d %v", status, err)
	}
	if status, page, err := w.post(link, map[string][]string{"answer": {"yes"}}, nil); status != 303 || err != nil {
		t.Fatalf("owner's yes: %d %v %s", status, err, page)
	}
	if done, err := w.approve(staff, number, account); !done {
		t.Fatalf("approve: %v\n%s", err, w.logTail())
	}
	began = time.Now()
	await(t, "the confirmation", 30*time.Second, func() bool { return w.count(i, "was reset") == 2 && w.count(i, "enrollment pass") == 1 })
	return toQueue, time.Since(began)
}

// confirmLink is the path of the newest confirm link mailed to the admin of
// account i.
func (w *world) confirmLink(i int) string {
	link := ""
	for _, l := range w.letters() {
		if l.to == fmt.Sprintf("admin@company%d.example", i) && strings.Contains(l.subject, "Please confirm") {
			if m := ownerLink.FindString(l.text); m != "" {
				link = m
			}
		}
	}
	return link
}

func (w *world) count(i int, subject string) int {
	n := 0
	for _, l := range w.letters() {
		if strings.HasSuffix(l.to, fmt.Sprintf("@company%d.example", i)) && strings.Contains(l.subject, subject) {
			n++
		}
	}
	return n
}
