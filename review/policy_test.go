package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// goodFacts are those of a case at low risk that lacks nothing at noon.
func goodFacts() review.Facts {
	return review.Facts{State: review.StateOpen, Account: "A-1", User: "U-1", Verdict: "authenticated", Match: "exact", Enrolled: true, UserAddress: true,
		ConfirmedAt: noon.Add(-13 * day), Votes: 3, NoticesOutAt: noon.Add(-13 * day), Opened: noon.Add(-13 * day), Watched: noon.Add(-13 * day),
		VerifiedAt: noon.Add(-20 * day), AddressSince: noon.Add(-400 * day), ImportedAt: noon.Add(-400 * day)}
}

// Design 4: the table of the presets, with and without threat mode.
func TestPolicyTiers(t *testing.T) {
	low := goodFacts()
	medium := goodFacts()
	medium.Verdict = "unverified"
	high := goodFacts()
	high.Quarantined = 1
	for _, c := range []struct {
		policy review.Policy
		facts  review.Facts
		level  review.RiskLevel
		votes  int
		wait   time.Duration
	}{
		{review.Balanced, low, review.Low, 1, 2 * time.Hour},
		{review.Balanced, medium, review.Medium, 1, 12 * time.Hour},
		{review.Balanced, high, review.High, 2, 24 * time.Hour},
		{review.Cautious, low, review.Low, 2, 24 * time.Hour},
		{review.Cautious, medium, review.Medium, 2, 48 * time.Hour},
		{review.Cautious, high, review.High, 2, 72 * time.Hour},
		{review.SmallTeam, low, review.Low, 1, 4 * time.Hour},
		{review.SmallTeam, medium, review.Medium, 1, 24 * time.Hour},
		{review.SmallTeam, high, review.High, 1, 72 * time.Hour},
		{threat(review.Balanced), low, review.High, 2, 48 * time.Hour},
		{threat(review.Cautious), low, review.High, 2, 144 * time.Hour},
		{threat(review.SmallTeam), low, review.High, 2, 144 * time.Hour},
	} {
		j := review.Judge(c.facts, c.policy, noon)
		if j.Risk.Level != c.level || j.Approvals != c.votes || j.WaitUntil.Sub(c.facts.NoticesOutAt) != c.wait {
			t.Errorf("%s threat=%t %s: got %s, %d votes, %s; want %d votes, %s", c.policy.Name, c.policy.Threat, c.level,
				j.Risk.Level, j.Approvals, j.WaitUntil.Sub(c.facts.NoticesOutAt), c.votes, c.wait)
		}
		for _, d := range []struct {
			at     time.Duration
			clears bool
		}{{c.wait - 1, false}, {c.wait, true}} {
			if got := review.Judge(c.facts, c.policy, c.facts.NoticesOutAt.Add(d.at)); got.Clears() != d.clears {
				t.Errorf("%s %s %s after the notices: clears %t: %+v", c.policy.Name, c.level, d.at, got.Clears(), got.Requirements)
			}
		}
	}
}

// Design 4: a password that the panel saw within a day spares the wait of Low
// under balanced, and nothing else: not the notices, not the yes, not the votes.
func TestVouchedWait(t *testing.T) {
	custom := review.Balanced
	custom.VouchedWait = 30 * time.Minute
	long := review.Balanced
	long.VouchedWait = 48 * time.Hour
	for _, c := range []struct {
		name   string
		policy review.Policy
		change func(*review.Facts)
		wait   time.Duration
	}{
		{"at the request", review.Balanced, func(f *review.Facts) { f.VouchedAt = f.Opened }, 0},
		{"a day before", review.Balanced, func(f *review.Facts) { f.VouchedAt = f.Opened.Add(-day) }, 0},
		{"longer ago", review.Balanced, func(f *review.Facts) { f.VouchedAt = f.Opened.Add(-day - 1) }, 2 * time.Hour},
		{"after the request", review.Balanced, func(f *review.Facts) { f.VouchedAt = f.Opened.Add(time.Hour) }, 0},
		{"never", review.Balanced, func(*review.Facts) {}, 2 * time.Hour},
		{"asked in the panel", review.Balanced, func(f *review.Facts) { f.Verdict, f.PasswordGiven, f.VouchedAt = "panel", true, f.Opened }, 0},
		{"medium", review.Balanced, func(f *review.Facts) { f.VouchedAt, f.Verdict = f.Opened, "unverified" }, 12 * time.Hour},
		{"high", review.Balanced, func(f *review.Facts) { f.VouchedAt, f.Quarantined = f.Opened, 1 }, 24 * time.Hour},
		{"threat mode", threat(review.Balanced), func(f *review.Facts) { f.VouchedAt = f.Opened }, 48 * time.Hour},
		{"cautious", review.Cautious, func(f *review.Facts) { f.VouchedAt = f.Opened }, 24 * time.Hour},
		{"small team", review.SmallTeam, func(f *review.Facts) { f.VouchedAt = f.Opened }, 4 * time.Hour},
		{"a number of its own", custom, func(f *review.Facts) { f.VouchedAt = f.Opened }, 30 * time.Minute},
		{"never longer", long, func(f *review.Facts) { f.VouchedAt = f.Opened }, 2 * time.Hour},
	} {
		f := goodFacts()
		c.change(&f)
		j := review.Judge(f, c.policy, f.NoticesOutAt.Add(c.wait))
		if got := j.WaitUntil.Sub(f.NoticesOutAt); got != c.wait || !(j.Clears() || j.Approvals > f.Votes) {
			t.Errorf("%s: waits %s, want %s; %+v", c.name, got, c.wait, j.Requirements)
		}
		for what, spoil := range map[string]func(*review.Facts){"notices": func(f *review.Facts) { f.NoticesOutAt = time.Time{} },
			"yes": func(f *review.Facts) { f.ConfirmedAt = time.Time{} }, "votes": func(f *review.Facts) { f.Votes = 0 }} {
			g := f
			spoil(&g)
			if review.Judge(g, c.policy, noon).Clears() {
				t.Errorf("%s: clears without the %s", c.name, what)
			}
		}
	}
}

// A clock that was set back clears nothing before what it rests on: the opening, the
// yes and the votes, whatever the notices say.
func TestWaitAfterClockSetBack(t *testing.T) {
	f := goodFacts()
	now := f.NoticesOutAt.Add(2 * time.Hour)
	for name, change := range map[string]func(*review.Facts, time.Time){
		"opening": func(f *review.Facts, at time.Time) { f.Watched = at },
		"yes":     func(f *review.Facts, at time.Time) { f.ConfirmedAt = at },
		"vote":    func(f *review.Facts, at time.Time) { f.VotedAt = at },
	} {
		for ahead, clears := range map[time.Duration]bool{0: true, 1: false, time.Hour: false} {
			g := f
			change(&g, now.Add(ahead))
			j := review.Judge(g, review.Balanced, now)
			if j.Clears() != clears || !clears && !j.WaitUntil.Equal(now.Add(ahead)) {
				t.Errorf("%s ahead of the %s: clears %t, waits until %s", ahead, name, j.Clears(), j.WaitUntil)
			}
			if !review.Judge(g, review.Balanced, now.Add(ahead)).Clears() {
				t.Errorf("%s ahead of the %s: does not clear when the clock is there again", ahead, name)
			}
		}
	}
}

func threat(p review.Policy) review.Policy {
	p.Threat = true
	return p
}

// Risk is never without a reason in words, and each sign counts.
func TestRisk(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*review.Facts)
		level  review.RiskLevel
		words  string
	}{
		{"nothing", func(*review.Facts) {}, review.Low, "Nothing unusual"},
		{"address changed 14 days less a second before", func(f *review.Facts) { f.AddressSince = f.Opened.Add(-14*day + time.Second) }, review.High, "changed 13 days before"},
		{"address changed an hour before", func(f *review.Facts) { f.AddressSince = f.Opened.Add(-time.Hour) }, review.High, "changed less than a day before"},
		{"address changed 14 days before", func(f *review.Facts) { f.AddressSince = f.Opened.Add(-14 * day) }, review.Low, "Nothing unusual"},
		{"account imported a day before", func(f *review.Facts) { f.AddressSince, f.ImportedAt = f.Opened.Add(-day), f.Opened.Add(-day) }, review.Low, "Nothing unusual"},
		{"reset 29 days before", func(f *review.Facts) { f.LastReset = f.Opened.Add(-29 * day) }, review.High, "reset 29 days earlier"},
		{"reset 30 days before", func(f *review.Facts) { f.LastReset = f.Opened.Add(-30 * day) }, review.Low, "Nothing unusual"},
		{"imitations", func(f *review.Facts) { f.Quarantined = 2 }, review.High, "2 mails in quarantine"},
		{"unverified, unconfirmed", func(f *review.Facts) { f.Verdict, f.ConfirmedAt = "unverified", time.Time{} }, review.High, "has not confirmed yet"},
		{"unverified, confirmed", func(f *review.Facts) { f.Verdict = "unverified" }, review.Medium, "but the owner confirmed"},
		{"partial, confirmed", func(f *review.Facts) { f.Verdict = "partial" }, review.Medium, "but the owner confirmed"},
		{"panel, no password, unconfirmed", func(f *review.Facts) { f.Verdict, f.ConfirmedAt = "panel", time.Time{} }, review.High, "proved no password there, and the owner has not confirmed yet"},
		{"panel, no password, confirmed", func(f *review.Facts) { f.Verdict = "panel" }, review.Medium, "but the owner confirmed"},
		{"panel, password", func(f *review.Facts) { f.Verdict, f.PasswordGiven = "panel", true }, review.Low, "Nothing unusual"},
		{"other capitals", func(f *review.Facts) { f.Match = "case_variant" }, review.Medium, "other capitals"},
		{"high stays high", func(f *review.Facts) { f.Quarantined, f.Match = 1, "case_variant" }, review.High, "other capitals"},
	} {
		f := goodFacts()
		c.change(&f)
		j := review.Judge(f, review.Balanced, noon)
		if j.Risk.Level != c.level || !strings.Contains(strings.Join(j.Risk.Reasons, " "), c.words) {
			t.Errorf("%s: %+v, want %s with %q", c.name, j.Risk, c.level, c.words)
		}
	}
}

// A variation breaks the facts in one place; names are the requirements that
// must then not be met, with their state.
type variation struct {
	name  string
	apply func(*review.Facts)
	want  map[string]review.ReqState
}

// variations has for each fact that a requirement rests on every value it takes.
var variations = [][]variation{
	{
		{"authenticated", func(f *review.Facts) { f.Verdict = "authenticated" }, nil},
		{"partial", func(f *review.Facts) { f.Verdict = "partial" }, nil},
		{"unverified", func(f *review.Facts) { f.Verdict = "unverified" }, nil},
		{"deferred", func(f *review.Facts) { f.Verdict = "deferred" }, map[string]review.ReqState{"sender": review.Failed}},
		{"automated", func(f *review.Facts) { f.Verdict = "automated" }, map[string]review.ReqState{"sender": review.Failed}},
		{"quarantine", func(f *review.Facts) { f.Verdict = "quarantine" }, map[string]review.ReqState{"sender": review.Failed}},
		{"panel", func(f *review.Facts) { f.Verdict = "panel" }, nil},
		{"panel, password proved", func(f *review.Facts) { f.Verdict, f.PasswordGiven = "panel", true }, nil},
		{"no verdict", func(f *review.Facts) { f.Verdict = "" }, map[string]review.ReqState{"sender": review.Failed}},
	}, {
		{"exact", func(f *review.Facts) { f.Match = "exact" }, nil},
		{"case variant", func(f *review.Facts) { f.Match = "case_variant" }, nil},
		{"lookalike", func(f *review.Facts) { f.Match = "lookalike" }, map[string]review.ReqState{"sender": review.Failed}},
		{"no match", func(f *review.Facts) { f.Match = "none" }, map[string]review.ReqState{"sender": review.Failed}},
	}, {
		{"user", func(*review.Facts) {}, nil},
		{"no user", func(f *review.Facts) { f.User = "" }, map[string]review.ReqState{"user": review.Unmet, "enrolled": review.Unmet}},
		{"no account", func(f *review.Facts) { f.Account, f.User = "", "" }, map[string]review.ReqState{"user": review.Unmet, "enrolled": review.Unmet}},
	}, {
		{"enrolled", func(*review.Facts) {}, nil},
		{"not enrolled", func(f *review.Facts) { f.Enrolled = false }, map[string]review.ReqState{"enrolled": review.Failed}},
		{"no address for the pass", func(f *review.Facts) { f.UserAddress = false }, map[string]review.ReqState{"enrolled": review.Failed}},
	}, {
		{"yes", func(*review.Facts) {}, nil},
		{"no answer", func(f *review.Facts) { f.ConfirmedAt = time.Time{} }, map[string]review.ReqState{"confirmed": review.Unmet}},
		{"no", func(f *review.Facts) { f.Objected = true }, map[string]review.ReqState{"confirmed": review.Failed}},
	}, {
		{"votes", func(*review.Facts) {}, nil},
		{"no vote", func(f *review.Facts) { f.Votes = 0 }, map[string]review.ReqState{"approvals": review.Unmet}},
	}, {
		{"waited", func(*review.Facts) {}, nil},
		{"notices not out", func(f *review.Facts) { f.NoticesOutAt = time.Time{} }, map[string]review.ReqState{"waiting": review.Unmet}},
		{"notices just out", func(f *review.Facts) { f.NoticesOutAt = noon.Add(-time.Minute) }, map[string]review.ReqState{"waiting": review.Unmet}},
	}, {
		{"open", func(*review.Facts) {}, nil},
		{"held", func(f *review.Facts) { f.State = review.StateHeld }, map[string]review.ReqState{"held": review.Failed}},
		{"frozen", func(f *review.Facts) { f.FrozenUntil = noon.Add(time.Second) }, map[string]review.ReqState{"held": review.Unmet}},
		{"a row failed", func(f *review.Facts) { f.Evidence = []review.Proof{{Name: "gone", Result: "fail"}} }, map[string]review.ReqState{"evidence": review.Failed}},
	}, {
		{"not seen since", func(*review.Facts) {}, nil},
		{"never signed in", func(f *review.Facts) { f.VerifiedAt = time.Time{} }, nil},
		{"signed in meanwhile", func(f *review.Facts) { f.VerifiedAt = f.Watched.Add(1) }, map[string]review.ReqState{"held": review.Failed}},
		{"the panel saw a login", func(f *review.Facts) { f.LoggedInAt = f.Watched.Add(1) }, map[string]review.ReqState{"held": review.Failed}},
	}, {
		{"calm", func(*review.Facts) {}, nil},
		{"imitated", func(f *review.Facts) { f.Quarantined = 1 }, nil},
		{"address is new", func(f *review.Facts) { f.AddressSince = f.Opened }, nil},
	},
}

// TestJudgeExhaustively takes every combination of facts under every preset: a
// case clears exactly if nothing is missing, and every requirement says so.
func TestJudgeExhaustively(t *testing.T) {
	total, cleared := 0, 0
	policies := []review.Policy{review.Balanced, review.Cautious, review.SmallTeam, threat(review.Balanced)}
	var walk func(int, review.Facts, map[string]review.ReqState)
	walk = func(i int, f review.Facts, want map[string]review.ReqState) {
		if i == len(variations) {
			for _, p := range policies {
				total++
				if checkJudgement(t, f, p, want) {
					cleared++
				}
			}
			return
		}
		for _, v := range variations[i] {
			g, w := f, want
			v.apply(&g)
			if len(v.want) > 0 {
				w = map[string]review.ReqState{}
				for _, m := range []map[string]review.ReqState{want, v.want} {
					for name, state := range m {
						if w[name] != review.Failed {
							w[name] = state
						}
					}
				}
			}
			walk(i+1, g, w)
		}
	}
	walk(0, goodFacts(), map[string]review.ReqState{})
	t.Logf("%d combinations, %d of them clear", total, cleared)
	if cleared == 0 || cleared > total/50 {
		t.Errorf("%d of %d clear", cleared, total)
	}
}

func checkJudgement(t *testing.T, f review.Facts, p review.Policy, want map[string]review.ReqState) bool {
	j := review.Judge(f, p, noon)
	if len(j.Requirements) != 8 {
		t.Fatalf("%d requirements", len(j.Requirements))
	}
	met := true
	for _, r := range j.Requirements {
		state, missing := want[r.Name]
		if r.Name == "enrolled" && f.User == "" {
			state = review.Unmet // what is unknown has not failed
		}
		if !missing {
			state = review.Met
		}
		if r.State != state {
			t.Fatalf("%s is %s, want %s: %+v under %s", r.Name, r.State, state, f, p.Name)
		}
		met = met && r.State == review.Met
	}
	if j.Clears() != met || j.Clears() != (len(want) == 0) {
		t.Fatalf("clears %t with %v missing: %+v under %s", j.Clears(), want, f, p.Name)
	}
	if len(j.Risk.Reasons) == 0 {
		t.Fatalf("risk without a reason: %+v", f)
	}
	return met
}

// A row that is mandatory at the risk of the case must have passed, and one that
// failed stops it at any risk.
func TestEvidenceAgainstRisk(t *testing.T) {
	levels := []review.RiskLevel{review.Low, review.Medium, review.High}
	n := 0
	for mandatory := range 8 { // each subset of the levels
		rule := review.EvidenceRule{Name: "callback", Title: "Called back", How: review.Callback}
		for i, l := range levels {
			if mandatory>>i&1 == 1 {
				rule.At = append(rule.At, l)
			}
		}
		p := review.Balanced
		p.Evidence = []review.EvidenceRule{rule}
		for risk, spoil := range []func(*review.Facts){func(*review.Facts) {}, func(f *review.Facts) { f.Verdict = "unverified" }, func(f *review.Facts) { f.Quarantined = 1 }} {
			for _, result := range []string{"", "unknown", "pass", "fail"} {
				n++
				f := goodFacts()
				spoil(&f)
				if result != "" {
					f.Evidence = []review.Proof{{Name: "callback", Result: result}}
				}
				j := review.Judge(f, p, noon)
				asked := rule.Mandatory(levels[risk])
				want := result == "pass" || (result != "fail" && !asked)
				if j.Risk.Level != levels[risk] || j.Clears() != want || j.Mandatory != map[bool]int{true: 1}[asked && result != "fail"] {
					t.Errorf("mandatory at %v, %s, %q: clears %t, want %t; %d rows", rule.At, j.Risk.Level, result, j.Clears(), want, j.Mandatory)
				}
			}
		}
	}
	t.Logf("%d combinations", n)
}

// Votes are counted against the tier: one less than needed is open.
func TestVotesAgainstTier(t *testing.T) {
	for _, p := range []review.Policy{review.Balanced, review.Cautious, review.SmallTeam} {
		for votes := range 4 {
			for _, imitated := range []int{0, 1} {
				f := goodFacts()
				f.Votes, f.Quarantined = votes, imitated
				j := review.Judge(f, p, noon)
				if j.Clears() != (votes >= j.Approvals) {
					t.Errorf("%s: %d of %d votes clear %t", p.Name, votes, j.Approvals, j.Clears())
				}
			}
		}
	}
}

func TestEmptyJudgementClearsNothing(t *testing.T) {
	if (review.Judgement{}).Clears() {
		t.Error("it clears")
	}
	for _, f := range []review.Facts{{}, {State: review.StateOpen}} {
		if j := review.Judge(f, review.Policy{}, noon); j.Clears() {
			t.Errorf("%+v clears: %s", f, fmt.Sprint(j.Requirements))
		}
	}
}
