package alarm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review/alarm"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

// cases are n cases, each of an account of its own.
func cases(n int, change func(i int, c *alarm.Case)) (all []alarm.Case) {
	for i := range n {
		c := alarm.Case{Number: fmt.Sprintf("RST-%06d", i), Account: fmt.Sprint("A-", i), User: fmt.Sprint("U-", i), Opened: at(i), Sender: fmt.Sprintf("a%d@x.example", i)}
		change(i, &c)
		all = append(all, c)
	}
	return all
}

func votes(n int, apart time.Duration, change func(i int, a *alarm.Approval)) (all []alarm.Approval) {
	for i := range n {
		a := alarm.Approval{Reviewer: "Rita", Case: fmt.Sprintf("RST-%06d", i), Account: fmt.Sprint("A-", i), At: start.Add(time.Duration(i) * apart)}
		change(i, &a)
		all = append(all, a)
	}
	return all
}

func keep[T any](int, *T) {}

func TestSignals(t *testing.T) {
	ip := func(n, same int, ip string) []alarm.Case {
		return cases(n, func(i int, c *alarm.Case) {
			c.IPs = []string{fmt.Sprintf("10.%d.0.1", i)}
			if i < same {
				c.IPs = append(c.IPs, ip)
			}
		})
	}
	for name, c := range map[string]struct {
		seen  alarm.Seen
		kind  string // "": no signal
		cases int
	}{
		"nothing":                 {alarm.Seen{}, "", 0},
		"an ordinary week":        {alarm.Seen{Cases: ip(50, 2, "192.0.2.9"), Approvals: votes(50, time.Hour, keep)}, "", 0},
		"one network":             {alarm.Seen{Cases: ip(9, 3, "192.0.2.9")}, "network", 3},
		"one network of IPv6":     {alarm.Seen{Cases: ip(9, 4, "2001:db8:1:2::9")}, "network", 4},
		"loopback is no network":  {alarm.Seen{Cases: ip(9, 9, "::1")}, "", 0},
		"an address that is none": {alarm.Seen{Cases: ip(9, 9, "unknown")}, "", 0},
		"one account, many cases": {alarm.Seen{Cases: cases(9, func(_ int, c *alarm.Case) { c.Account, c.IPs = "A", []string{"192.0.2.1"} })}, "", 0},
		"one sender":              {alarm.Seen{Cases: cases(3, func(_ int, c *alarm.Case) { c.Sender = "Boss@x.example" })}, "sender", 3},
		"unresolved cases":        {alarm.Seen{Cases: cases(9, func(_ int, c *alarm.Case) { c.Account, c.User, c.Sender = "", "", "b@x.example" })}, "", 0},
		"again after a refusal": {alarm.Seen{Cases: cases(2, func(i int, c *alarm.Case) {
			c.User = "U-1"
			if i == 0 {
				c.Refused = c.Opened.Add(time.Second)
			}
		})}, "repeat", 1},
		"again after two months": {alarm.Seen{Cases: cases(2, func(i int, c *alarm.Case) {
			if c.User = "U-1"; i == 0 {
				c.Refused = c.Opened.AddDate(0, -2, 0)
			}
		})}, "", 0},
		"refused twice":      {alarm.Seen{Cases: cases(3, func(_ int, c *alarm.Case) { c.User, c.Refused = "U-1", c.Opened.Add(time.Second) })}, "repeat", 2},
		"a burst":            {alarm.Seen{Approvals: votes(6, 12*time.Minute, keep)}, "burst", 6},
		"a long burst":       {alarm.Seen{Approvals: votes(40, time.Minute, keep)}, "burst", 40},
		"a slow day":         {alarm.Seen{Approvals: votes(40, 13*time.Minute, keep)}, "", 0},
		"two busy reviewers": {alarm.Seen{Approvals: votes(10, 9*time.Minute, func(i int, a *alarm.Approval) { a.Reviewer = fmt.Sprint(i % 2) })}, "", 0},
		"always together": {alarm.Seen{Approvals: votes(4, 24*time.Hour, func(i int, a *alarm.Approval) {
			a.Account = "A"
			if i == 3 {
				a.Account, a.Reviewer = "B", "Sam"
			}
		})}, "together", 3},
		"a team of one": {alarm.Seen{Approvals: votes(4, 24*time.Hour, func(_ int, a *alarm.Approval) { a.Account = "A" })}, "", 0},
		"not always together": {alarm.Seen{Approvals: votes(4, 24*time.Hour, func(i int, a *alarm.Approval) {
			a.Account = "A"
			if i == 3 {
				a.Reviewer = "Sam"
			}
		})}, "", 0},
		"a wave":               {alarm.Seen{Imitations: []alarm.Imitation{{"a", at(0)}, {"b", at(1)}, {"c", at(2)}, {"c", at(3)}}}, "wave", 0},
		"an old wave":          {alarm.Seen{Imitations: []alarm.Imitation{{"a", at(-3000)}, {"b", at(-3000)}, {"c", at(2)}}}, "", 0},
		"one who is insistent": {alarm.Seen{Imitations: []alarm.Imitation{{"a", at(0)}, {"a", at(1)}, {"a", at(2)}}}, "", 0},
	} {
		got := alarm.Signals(c.seen, at(60))
		switch {
		case c.kind == "" && len(got) != 0:
			t.Errorf("%s: %+v", name, got)
		case c.kind != "" && (len(got) != 1 || got[0].Kind != c.kind || len(got[0].Cases) != c.cases || got[0].Last.IsZero()):
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDeviceNeedsNetwork(t *testing.T) {
	seen := alarm.Seen{Cases: cases(5, func(i int, c *alarm.Case) {
		c.Agents, c.IPs = []string{"Firefox"}, []string{fmt.Sprintf("10.%d.0.1", i)}
	})}
	if got := alarm.Signals(seen, start); len(got) != 0 {
		t.Errorf("a common browser: %+v", got)
	}
	for i := range seen.Cases {
		seen.Cases[i].IPs = []string{"192.0.2.1"}
	}
	got := alarm.Signals(seen, start)
	if len(got) != 2 || got[0].Kind != "network" || got[1].Kind != "device" {
		t.Errorf("%+v", got)
	}
}
