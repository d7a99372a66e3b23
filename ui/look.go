package ui

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
	"github.com/resetdesk/resetdesk/review"
)

// helpers are the functions of the templates.
var helpers = template.FuncMap{
	"step":       step,
	"happened":   happened,
	"findings":   findings,
	"cover":      coverSign,
	"points":     points,
	"outcome":    outcome,
	"differ":     differ,
	"ago":        ago,
	"until":      until,
	"left":       func(t time.Time) int { return max(0, int(time.Until(t).Seconds())) },
	"by":         by,
	"stamp":      stamp,
	"clock":      clock,
	"under":      under,
	"setting":    isSetting,
	"sections":   func() any { return sections },
	"day":        day,
	"visible":    visible,
	"clip":       clip,
	"compare":    compare,
	"words":      words,
	"facts":      factsOf,
	"mark":       mark,
	"networks":   networks,
	"caseNumber": func(s string) bool { return strings.HasPrefix(s, "RST-") },
	"count":      count,
	"lines":      func(s string) int { return strings.Count(strings.TrimRight(s, "\n"), "\n") + 1 },
	"accounturl": accountPath,
	"query":      func(s string) string { return url.QueryEscape(s) },
	"agent":      agent,
	"via":        via,
	"roles":      func() any { return review.Roles },
	"means":      means,
}

// ago is a time in the past, in words, with the full time in UTC as its title.
func ago(t time.Time) template.HTML { return timeTag(t, span(time.Since(t))+" ago") }

// until is a time to come: how long that is, and when.
func until(t time.Time) template.HTML {
	if d := time.Until(t); d > 0 {
		return timeTag(t, "in "+left(d)+" ("+near(t)+")")
	}
	return ago(t)
}

// by is a deadline: "by Tue 14:05 UTC".
func by(t time.Time) template.HTML {
	if time.Until(t) > 0 {
		return timeTag(t, "by "+near(t))
	}
	return timeTag(t, "was due "+span(time.Since(t))+" ago")
}

// stamp is a time as such.
func stamp(t time.Time) template.HTML { return timeTag(t, at(t, "full", "2 Jan 2006, 15:04")) }

// clock is the time of day of what was a moment ago.
func clock(t time.Time) template.HTML { return timeTag(t, at(t, "clock", "15:04")) }

// near is a time of the days around, by its weekday, or by its date.
func near(t time.Time) string {
	if d := time.Until(t); d < 6*24*time.Hour && d > -6*24*time.Hour {
		return at(t, "week", "Mon 15:04")
	}
	return at(t, "date", "2 Jan, 15:04")
}

// at writes a time in UTC. The script puts the same form in the reader's own zone
// in its place, which no server knows.
func at(t time.Time, form, layout string) string {
	return `<span data-at="` + form + `">` + t.UTC().Format(layout) + " UTC</span>"
}

// day is a time as plain text for a sentence.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// timeTag needs no escaping: its text is made of digits and our own words.
func timeTag(t time.Time, text string) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.Format(time.RFC3339), t.Format("Mon 2 Jan 2006, 15:04:05 UTC"), text))
}

// span is a duration in its one or two largest units.
func span(d time.Duration) string {
	m := int(d.Round(time.Minute) / time.Minute)
	switch {
	case m < 1:
		return "a moment"
	case m < 60:
		return fmt.Sprintf("%d min", m)
	case m < 24*60 && m%60 != 0 && m < 12*60:
		return fmt.Sprintf("%d h %d min", m/60, m%60)
	case m < 48*60:
		return fmt.Sprintf("%d h", m/60)
	}
	return fmt.Sprintf("%d days", m/(24*60))
}

// left is a duration to wait, to the minute within a day and to the hour within
// four.
func left(d time.Duration) string {
	m := int(d.Round(time.Minute) / time.Minute)
	switch h := m / 60; {
	case h >= 12 && h < 24 && m%60 != 0:
		return fmt.Sprintf("%d h %d min", h, m%60)
	case h >= 48 && h < 96 && h%24 != 0:
		return fmt.Sprintf("%d days %d h", h/24, h%24)
	}
	return span(d)
}

// A section of the desk stands in the bar on top of each page.
type section struct{ Path, Name, Also string }

var sections = []section{{"/accounts", "Accounts", ""}, {"/numbers", "Numbers", ""}, {"/audit", "Audit", ""}, {"/settings", "Settings", "/attack"}}

// under reports whether a page belongs to a section of the desk.
func under(path, section string) bool {
	return section != "" && (path == section || strings.HasPrefix(path, section+"/"))
}

// count is a number of a tab.
func count(n int) string {
	if n > 999 {
		return "999+"
	}
	return fmt.Sprint(n)
}

// visible replaces characters that a line of text should not have: controls,
// direction overrides, zero-width and other invisible ones, by their code point
// in brackets, a run of one once with its length. Line breaks and tabs stay.
func visible(s string) string {
	var b strings.Builder
	run := 0
	for i, r := range s {
		n := utf8.RuneLen(max(r, 0))
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\r':
		case !hidden(r):
			b.WriteRune(r)
		default:
			if run++; r != utf8.RuneError && strings.HasPrefix(s[i+n:], string(r)) {
				continue
			}
			if fmt.Fprintf(&b, "⟨U+%04X", r); run > 1 {
				fmt.Fprintf(&b, "×%d", run)
			}
			b.WriteString("⟩")
		}
		run = 0
	}
	return b.String()
}

// hidden reports whether a reader would not see the character for what it is.
// The joiners inside emoji and the soft hyphen are among them.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError ||
		r == '\u2028' || r == '\u2029' || r == '\u115f' || r == '\u1160' || r == '\u3164' ||
		(r >= 0xfe00 && r <= 0xfe0e) || (r >= 0xe0000 && r <= 0xe0fff)
}

// clip returns at most n bytes of s, cut between characters.
func clip(n int, s string) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// A stretch is a run of characters of an address. Code is set for a character
// outside ASCII.
type stretch struct {
	Text string
	Diff bool
	Code string
}

// compare splits an address into stretches: Diff marks what the other address
// does not have in this place.
func compare(a, other string) []stretch {
	x, y := []rune(clip(320, a)), []rune(clip(320, other))
	same := proof.Common(x, y)
	var out []stretch
	for i, r := range x {
		if r > unicode.MaxASCII || hidden(r) {
			out = append(out, stretch{visible(string(r)), !same[i], fmt.Sprintf("U+%04X", r)})
			continue
		}
		if n := len(out); n > 0 && out[n-1].Code == "" && out[n-1].Diff == !same[i] {
			out[n-1].Text += string(r)
			continue
		}
		out = append(out, stretch{string(r), !same[i], ""})
	}
	return out
}

// A fact is one thing that an event says. Was is set where the event has what it
// was before as well.
type fact struct{ Name, Was, Is string }

// turns are the names under which events keep what was before and what is.
var turns = map[string]string{"from": "to", "was": "now", "old": "new", "before": "required_from"}

// factsOf reads the facts of an event, a JSON object, for people. Hashes are left
// out: who needs them takes the event out.
func factsOf(s string) []fact {
	facts := map[string]any{}
	if json.Unmarshal([]byte(s), &facts) != nil {
		return []fact{{Is: visible(s)}}
	}
	var out []fact
	was := map[string]string{}
	for before, after := range turns {
		if facts[before] != nil && facts[after] != nil {
			was[after] = spell(facts[before])
			delete(facts, before)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(facts)) {
		v := spell(facts[k])
		if v == "" || k == "evidence" {
			continue
		}
		out = append(out, fact{plainName(k), was[k], v})
	}
	return out
}

var capital = regexp.MustCompile(`[A-Z]`)

// plainName spells the name of a fact: addresses_added and AddressesAdded alike.
func plainName(k string) string {
	k = capital.ReplaceAllStringFunc(k, func(c string) string { return " " + strings.ToLower(c) })
	return strings.TrimSpace(strings.ReplaceAll(k, "_", " "))
}

// spell writes a value of an event: lists with commas, yes and no as words.
func spell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, spell(x))
		}
		return strings.Join(all, ", ")
	case map[string]any:
		var all []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, plainName(k)+" "+spell(v[k]))
		}
		return strings.Join(all, ", ")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return visible(fmt.Sprint(v))
}

// words spells a code of the desk for people.
func words(code any) string {
	s := fmt.Sprint(code)
	if w, ok := spelled[s]; ok {
		return w
	}
	s = strings.NewReplacer("_", " ", ".", " ").Replace(s)
	if s == "" {
		return "Unknown"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

var spelled = map[string]string{
	"authenticated": "Authenticated", "partial": "Partly checked", "unverified": "Not verified",
	"deferred": "Check pending", "automated": "Automatic mail", "quarantine": "Quarantined",
	"exact": "Exact address", "case_variant": "Exact but for case", "lookalike": "Look-alike address",
	"none": "No registered address", "panel": "Control panel", "hand": "By hand", "panel.asked_again": "Asked again in the panel",
	"apikey.created": "API key created", "apikey.revoked": "API key revoked",
	"low": "Low", "medium": "Medium", "high": "High",
	"object": "Objects", "withdraw": "Withdraws", "thanks": "Says thanks", "question": "Asks for news", "facts": "Names a user", "request": "Asks again",
	"foreign": "No contact of the account",
	"met":     "Met", "open": "Open", "failed": "Failed", "pass": "Pass", "warn": "Look here", "fail": "Fail", "unknown": "Unknown",
	string(review.StateHeld): "On hold", string(review.StateClearing): "Clearing", string(review.StateCleared): "Cleared",
	string(review.StateUndone): "Undone", string(review.StateRejected): "Rejected", string(review.StateWithdrawn): "Withdrawn",
	string(review.StateDuplicate): "Duplicate", string(review.StateNotARequest): "Not a request", string(review.StateExpired): "Expired",
}

// A sign is how a state looks: a class for its colour, a glyph for those who do
// not see the colour. The word stands beside it.
type sign struct{ Class, Glyph string }

// mark returns the sign of a code.
func mark(code any) sign {
	switch fmt.Sprint(code) {
	case "low":
		return sign{"ok", "●"}
	case "high":
		return sign{"bad", "▲"}
	case "authenticated", "exact", "pass", "met", "cleared", "sent", "case":
		return sign{"ok", "✔"}
	case "withdraw", "foreign", "partial", "case_variant", "warn", "medium", "held", "deferred", "clearing", "uncertain":
		return sign{"warn", "▲"}
	case "object", "unverified", "lookalike", "none", "fail", "failed", "quarantine", "quarantined", "undone", "rejected", "bounced":
		return sign{"bad", "✖"}
	case "unknown", "":
		return sign{"calm", "?"}
	}
	return sign{"calm", "○"}
}
