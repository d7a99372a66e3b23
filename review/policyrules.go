package review

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// A PolicyRule is a rule as people read it.
type PolicyRule struct {
	Key    string // in the configuration; "" if it cannot be set
	Says   string
	Effect string // in the last 30 days; "" if that is not known
}

// Rules are all rules that the desk decides by, with what each did lately. They
// read the summaries of 30 days of cases.
func (d *Desk) Rules(ctx context.Context) ([]PolicyRule, error) {
	var e effects
	err := d.snapshot(ctx, "read effects", func(tx *sql.Tx) (err error) {
		e, err = readEffects(ctx, tx, time.Now().Add(-30*24*time.Hour))
		return err
	})
	if err != nil {
		return nil, err
	}
	p := d.cfg.Policy
	tier := func(name, key string, t Tier, n int) PolicyRule {
		return PolicyRule{"policy.waiting." + key + ", policy.approvals." + key,
			fmt.Sprintf("At %s risk: %s, and %s.", name, counted(t.Approvals, "approval"), waiting(t.Wait)), e.of(n, "were at "+name+" risk")}
	}
	rules := []PolicyRule{
		{"", "An owner has to confirm through the link that was mailed to a registered address. No preset and no setting takes this away.", e.of(e.confirmed, "were confirmed")},
		tier("low", "low", p.Low, e.low), tier("medium", "medium", p.Medium, e.medium), tier("high", "high", p.High, e.high),
		{"policy.waiting.vouched, policy.vouched_within", "At low risk, if the panel saw the user's password verified from " + waitWords(p.VouchedWithin) + " before the request on: " + waiting(min(p.VouchedWait, p.Low.Wait)) + ".", ""},
		{"policy.fresh_address", "A registered address, a user's own address or a contact that was changed or taken away within " + waitWords(p.FreshAddress) + " before the request makes the risk high.",
			e.of(e.with("The registered address was changed", "The user's own address", "An address of the account"), "were raised by it")},
		{"policy.repeat_reset", "A second reset of the same user within " + waitWords(p.RepeatReset) + " makes the risk high.", e.of(e.with("The same user was reset"), "were raised by it")},
		{"policy.imitations", "Mail in quarantine that imitated the registered address within " + waitWords(p.Imitations) + " before the request makes the risk high.", e.of(e.with("Mail that imitates"), "were raised by it")},
		{"", "A sender that nothing proves makes the risk high until the owner confirmed, then medium.", e.of(e.with("Nothing proves that the mail", "Who asked in the control panel", "Nothing proves who called"), "were raised by it")},
		{"policy.preset", map[bool]string{true: "Who opened a case by hand may be the only one who approves it where one approval is enough; the audit says so.",
			false: "Who opened a case by hand is never the only one who approves it."}[p.Alone], ""},
		{"", "A login with the second factor, or a changed address, after the request holds the case.", e.of(e.held, "were held")},
		{"policy.notice_grace", "A notice that the mail server puts off counts as out after " + waitWords(p.NoticeGrace) + "; the confirm letter has to be taken.", ""},
		{"policy.confirm_link_lifetime", "A confirm link works for " + waitWords(p.LinkLifetime) + ".", ""},
		{"policy.vote_lifetime", "A vote counts for " + waitWords(p.VoteLifetime) + " after it was given, or after the waiting period that it outlasts.", ""},
		{"policy.case_lifetime", "A case that nobody completed expires after " + waitWords(p.CaseLifetime) + ".", e.of(e.expired, "expired")},
		{"policy.hold", "For " + waitWords(p.Hold) + " after a reset an owner can undo it, and the panel refuses sensitive acts.", e.of(e.undone, "were undone")},
	}
	for _, r := range p.Evidence {
		at := "It is never mandatory."
		if len(r.At) > 0 {
			var levels []string
			for _, l := range r.At {
				levels = append(levels, string(l))
			}
			at = "It must be answered at " + strings.Join(levels, ", ") + " risk before anybody approves."
		}
		rules = append(rules, PolicyRule{"policy.evidence", "Reviewers record: " + r.Title + ". " + at, ""})
	}
	return rules, nil
}

func waiting(d time.Duration) string {
	if d <= 0 {
		return "no waiting period"
	}
	return "a waiting period of " + waitWords(d) + " from the notices"
}

func waitWords(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return counted(int(d/(24*time.Hour)), "day")
	case d%time.Hour == 0:
		return counted(int(d/time.Hour), "hour")
	}
	return d.String()
}

// effects are counts over the cases of 30 days.
type effects struct {
	all, low, medium, high           int
	held, expired, undone, confirmed int
	reasons                          map[string]int // the first reason of the risk
}

func (e effects) of(n int, did string) string {
	if e.all == 0 {
		return "There was no case."
	}
	if n == 1 {
		did = strings.Replace(did, "were", "was", 1)
	}
	return fmt.Sprintf("%d of %s %s.", n, counted(e.all, "case"), did)
}

func (e effects) with(beginnings ...string) (n int) {
	for reason, k := range e.reasons {
		for _, b := range beginnings {
			if strings.HasPrefix(reason, b) {
				n += k
				break
			}
		}
	}
	return n
}

const effectsSQL = `SELECT coalesce(s.rank, 2), coalesce(s.reason, ''), c.state, c.held_by,
		EXISTS (SELECT 1 FROM answer a WHERE a.case_id = c.id AND a.answer = 'yes'), c.round > 1
	FROM reset_case c LEFT JOIN case_summary s ON s.case_id = c.id WHERE c.opened_at > $1`

func readEffects(ctx context.Context, tx *sql.Tx, after time.Time) (effects, error) {
	e := effects{reasons: map[string]int{}}
	rows, err := tx.QueryContext(ctx, effectsSQL, micros(after))
	return e, eachRow(rows, err, func(rows *sql.Rows) error {
		var rank int
		var reason, state, heldBy string
		var confirmed, again bool
		if err := rows.Scan(&rank, &reason, &state, &heldBy, &confirmed, &again); err != nil {
			return err
		}
		e.all++
		e.reasons[reason]++
		*[]*int{&e.high, &e.medium, &e.low}[min(max(rank, 0), 2)]++
		count := map[bool]int{true: 1}
		e.confirmed += count[confirmed]
		e.held += count[again || heldBy == "verified"]
		e.expired += count[state == string(StateExpired)]
		e.undone += count[state == string(StateUndone)]
		return nil
	})
}

// PolicyName is the preset.
func (d *Desk) PolicyName() string { return d.cfg.Policy.Name }

// A Preset is a policy to choose, in sentences.
type Preset struct {
	Name string
	For  string // whom it suits
	Says []string
	On   bool // the desk decides by it, whatever single numbers were set
}

// Presets are the policies to choose from.
func (d *Desk) Presets() []Preset {
	var all []Preset
	for _, p := range []struct {
		policy Policy
		fit    string
	}{
		{Balanced, "For most teams: an ordinary case takes hours."},
		{Cautious, "For accounts that are worth an effort to thieves: everything takes two people and at least a day."},
		{SmallTeam, "For one person on duty: waiting takes the place of the second pair of eyes."},
	} {
		said := Preset{Name: p.policy.Name, For: p.fit, On: p.policy.Name == d.cfg.Policy.Name}
		for _, t := range []struct {
			risk string
			Tier
		}{{"low", p.policy.Low}, {"medium", p.policy.Medium}, {"high", p.policy.High}} {
			said.Says = append(said.Says, fmt.Sprintf("At %s risk: %s, and %s.", t.risk, counted(t.Approvals, "approval"), waiting(t.Wait)))
		}
		all = append(all, said)
	}
	return all
}
