// Package alarm finds what single cases do not show: signs of an attack on the
// desk as a whole. It is pure: what was seen goes in, signals come out.
package alarm

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// From where a sign is one. They are meant to be rare: a signal that is always
// there is read by nobody.
const (
	manyAccounts = 3              // asked for from one place
	burst        = 6              // approvals of one reviewer
	burstTime    = time.Hour      // within
	together     = 3              // resets of an account by one reviewer alone
	wave         = 3              // registered addresses that were imitated
	waveTime     = 24 * time.Hour // within
	repeatTime   = 30 * 24 * time.Hour
)

// A Case is what is looked at of one.
type Case struct {
	Number, Account, User string // Account and User "" while unresolved
	Opened                time.Time
	Refused               time.Time // rejected, or stopped by its owner; zero: neither
	Sender                string    // the From address of the mail that opened it, "" without one
	IPs                   []string  // from where it was asked in the panel, and from where owners answered
	Agents                []string  // of the panel's requests
}

// An Approval is the vote of a reviewer.
type Approval struct {
	Reviewer, Case, Account string
	At                      time.Time
}

// An Imitation is a quarantined mail whose sender imitates a registered address.
type Imitation struct {
	Address string // that it imitates
	At      time.Time
}

// Seen is what the desk saw lately.
type Seen struct {
	Cases      []Case
	Approvals  []Approval
	Imitations []Imitation
}

// A Signal is one sign of an attack, in words for staff.
type Signal struct {
	Kind  string // network, device, sender, repeat, burst, together, wave
	Title string
	Why   string   // what may be behind it, and what is harmless
	Cases []string // concerned, the newest first
	Last  time.Time
}

// Signals are all signs, the newest first.
func Signals(seen Seen, now time.Time) []Signal {
	var all []Signal
	all = append(all, places(seen.Cases)...)
	all = append(all, repeats(seen.Cases)...)
	all = append(all, bursts(seen.Approvals)...)
	all = append(all, pairs(seen.Approvals)...)
	all = append(all, waves(seen.Imitations, now)...)
	slices.SortStableFunc(all, func(a, b Signal) int { return b.Last.Compare(a.Last) })
	return all
}

// A group is what was seen under one key.
type group struct {
	accounts map[string]bool
	cases    []string
	last     time.Time
}

type groups map[string]*group

func (g groups) add(key, account, number string, at time.Time) {
	x := g[key]
	if x == nil {
		x = &group{accounts: map[string]bool{}}
		g[key] = x
	}
	x.accounts[account] = true
	if !slices.Contains(x.cases, number) {
		x.cases = append(x.cases, number)
	}
	if at.After(x.last) {
		x.last = at
	}
}

// signals are the groups that tell of many accounts, in the order of their keys.
func (g groups) signals(kind, title, why string) (all []Signal) {
	for _, key := range sorted(g) {
		if x := g[key]; len(x.accounts) >= manyAccounts {
			all = append(all, Signal{kind, fmt.Sprintf(title, len(x.accounts), key), why, newest(x.cases), x.last})
		}
	}
	return all
}

// newest turns cases, which come in the order of their opening, around.
func newest(cases []string) []string {
	cases = slices.Clone(cases)
	slices.Reverse(cases)
	return cases
}

func sorted[T any](m map[string]T) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// places finds many accounts that were asked for, or confirmed, from one place.
func places(cases []Case) []Signal {
	networks, devices, senders := groups{}, groups{}, groups{}
	for _, c := range cases {
		if c.Account == "" {
			continue
		}
		for _, ip := range c.IPs {
			if n := network(ip); n != "" {
				networks.add(n, c.Account, c.Number, c.Opened)
			}
		}
		for _, agent := range c.Agents {
			// A browser that many people have says nothing; with its network it does.
			for _, ip := range c.IPs {
				if n := network(ip); n != "" && agent != "" {
					devices.add(agent+" in "+n, c.Account, c.Number, c.Opened)
				}
			}
		}
		if c.Sender != "" {
			senders.add(strings.ToLower(c.Sender), c.Account, c.Number, c.Opened)
		}
	}
	all := networks.signals("network", "Requests for %d accounts were made or confirmed from the network %s",
		"Whoever controls several mailboxes answers from one place. Harmless: an agency that looks after many customers, a mobile network, your own office.")
	all = append(all, devices.signals("device", "Requests for %d accounts were made with the same browser: %s",
		"One person at one machine. Harmless: an agency that looks after many customers.")...)
	return append(all, senders.signals("sender", "Requests for %d accounts came from the address %s",
		"One mailbox that opens many accounts is worth taking over. Harmless: an agency that is the admin of many customers.")...)
}

// repeats finds users who are asked for again after a refusal. Attackers call
// several times to learn what is missing (CISA AA23-320A).
func repeats(cases []Case) []Signal {
	byUser := map[string][]Case{}
	for _, c := range cases {
		if key := cmp.Or(c.User, c.Account); key != "" {
			byUser[key] = append(byUser[key], c)
		}
	}
	var all []Signal
	for _, user := range sorted(byUser) {
		s := Signal{Kind: "repeat", Why: "Attackers try again with what they learned from the refusal. Harmless: an owner who now knows what to send."}
		var refused time.Time
		for _, c := range byUser[user] {
			if !refused.IsZero() && c.Opened.After(refused) && c.Opened.Sub(refused) < repeatTime {
				s.Cases, s.Last = append(s.Cases, c.Number), c.Opened
			}
			if c.Refused.After(refused) {
				refused = c.Refused
			}
		}
		if len(s.Cases) > 0 {
			s.Title = fmt.Sprintf("%s was asked for again after a refusal", user)
			s.Cases = newest(s.Cases)
			all = append(all, s)
		}
	}
	return all
}

// bursts finds a reviewer who approves faster than anybody can read.
func bursts(approvals []Approval) []Signal {
	byReviewer := map[string][]Approval{}
	for _, a := range approvals {
		byReviewer[a.Reviewer] = append(byReviewer[a.Reviewer], a)
	}
	var all []Signal
	for _, who := range sorted(byReviewer) {
		votes := byReviewer[who]
		slices.SortStableFunc(votes, func(a, b Approval) int { return a.At.Compare(b.At) })
		most, end, from := 0, 0, 0
		for to := range votes {
			for votes[to].At.Sub(votes[from].At) > burstTime {
				from++
			}
			if n := to - from + 1; n >= most {
				most, end = n, to
			}
		}
		if most < burst {
			continue
		}
		s := Signal{Kind: "burst", Title: fmt.Sprintf("%s approved %d resets within an hour", who, most), Last: votes[end].At,
			Why: "A stolen session, or somebody under pressure. Harmless: a backlog after a weekend."}
		for _, v := range votes[end-most+1 : end+1] {
			s.Cases = append(s.Cases, v.Case)
		}
		s.Cases = newest(s.Cases)
		all = append(all, s)
	}
	return all
}

// pairs finds accounts whose resets one reviewer alone approves, again and again.
func pairs(approvals []Approval) []Signal {
	byAccount := map[string][]Approval{}
	for _, a := range approvals {
		byAccount[a.Account] = append(byAccount[a.Account], a)
	}
	reviewers := map[string]bool{}
	for _, a := range approvals {
		reviewers[a.Reviewer] = true
	}
	if len(reviewers) < 2 { // one person on duty is always together with every account
		return nil
	}
	var all []Signal
	for _, account := range sorted(byAccount) {
		votes := byAccount[account]
		s := Signal{Kind: "together", Why: "A reviewer may know somebody there. Harmless: a small team, or fixed customers."}
		alone := true
		for _, v := range votes {
			alone = alone && v.Reviewer == votes[0].Reviewer
			if !slices.Contains(s.Cases, v.Case) {
				s.Cases = append(s.Cases, v.Case)
			}
			if v.At.After(s.Last) {
				s.Last = v.At
			}
		}
		if alone && len(s.Cases) >= together {
			s.Title = fmt.Sprintf("%s alone approved all %d resets of account %s", votes[0].Reviewer, len(s.Cases), account)
			s.Cases = newest(s.Cases)
			all = append(all, s)
		}
	}
	return all
}

// waves finds mails that imitate several registered addresses at once.
func waves(imitations []Imitation, now time.Time) []Signal {
	addresses := map[string]bool{}
	var last time.Time
	n := 0
	for _, i := range imitations {
		if now.Sub(i.At) > waveTime {
			continue
		}
		n++
		addresses[i.Address] = true
		if i.At.After(last) {
			last = i.At
		}
	}
	if len(addresses) < wave {
		return nil
	}
	return []Signal{{Kind: "wave", Title: fmt.Sprintf("%d mails imitated %d registered addresses within a day", n, len(addresses)), Last: last,
		Why: "Somebody has a list of your customers and tries them one by one. All of these mails are in quarantine; watch for what comes from the true addresses now."}}
}

// network is the /24 or /48 of an address, "" if it is none.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.IsLoopback() {
		return ""
	}
	a = a.Unmap()
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
