// Package doctor looks at everything that an installation of resetdesk stands on and says what is wrong with it, and
// what mends it. It changes nothing: the mailbox is opened with EXAMINE and BODY.PEEK[], the database read-only, and no
// file is written. Only the canary sends mail, when it is told to.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// Result is how a check ended.
type Result string

// The results.
const (
	OK   Result = "OK"
	Warn Result = "WARN" // it works, and something should be better
	Fail Result = "FAIL" // the desk cannot do its work, or not safely
)

// Finding is what one check found.
type Finding struct {
	Number int      `json:"number"`
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Result Result   `json:"result"`
	Text   string   `json:"text"`
	Fix    string   `json:"fix"`    // what mends it, "" where nothing needs to
	Detail []string `json:"detail"` // further lines for whoever wants to know
}

// Subject is what is examined: the configuration, as far as the checks need it.
type Subject struct {
	Config    string   // the configuration file
	Keys      int      // how many keys it sets
	Secrets   []string // password files
	KeyFile   string
	Database  string
	Boxes     []Box // all mailboxes, the first is that of the canary
	Box             // the one that is being looked at
	Addresses []string
	Postman   mailbox.PostmanConfig
	From      string                             // the address that letters come from
	Bounces   string                             // smtp.bounce_address
	Letters   func() (string, error)             // which words letters have
	Signature func() (*mailbox.Signature, error) // without an error nil: letters are not signed here
	Resolver  string                             // host:port, "" for the system's
	BaseURL   string
	Accounts  string // the accounts file, "" if there is none
	Now       func() time.Time
}

// Box is one mailbox.
type Box struct {
	Section string // of the configuration
	Mailbox mailbox.WatcherConfig
	Folders []string
	Trust   sender.Trust
	seen    *sight
}

// sight is what a look into all folders of a mailbox showed.
type sight struct {
	glimpses map[string]mailbox.Glimpse
	err      error
}

// check is one of the doctor's questions.
type check struct {
	name, title string
	look        func(*Subject, context.Context) Finding
	each        bool // asked of every mailbox
}

// checks are the questions in their order; their numbers are stable, so that
// people can speak of them.
var checks = []check{
	{"config", "Configuration", (*Subject).checkConfig, false},
	{"files", "File modes", (*Subject).checkFiles, false},
	{"keys", "Keys", (*Subject).checkKeys, false},
	{"database", "Database", (*Subject).checkDatabase, false},
	{"audit", "Audit chain", (*Subject).checkAudit, false},
	{"mailbox", "Mailbox sign-in", (*Subject).checkMailbox, true},
	{"clock", "Clock", (*Subject).checkClock, true},
	{"trust", "Sender checks", (*Subject).checkTrust, true},
	{"smtp", "SMTP sign-in", (*Subject).checkSMTP, false},
	{"domain", "From domain", (*Subject).checkDomain, false},
	{"web", "Base URL", (*Subject).checkWeb, false},
	{"outbox", "Waiting letters", (*Subject).checkOutbox, false},
	{"bounces", "Return path", (*Subject).checkBounces, false},
	{"dkim", "Own signature", (*Subject).checkDKIM, false},
	{"letters", "Letters", (*Subject).checkLetters, false},
}

// Names lists the checks that Examine knows.
func Names() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// patience bounds one check.
const patience = 30 * time.Second

// Examine runs the checks named in only, or all of them, and hands each finding
// to tell as it comes.
func Examine(ctx context.Context, s *Subject, only []string, tell func(Finding) error) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	for i, c := range checks {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, patience)
		f := c.ask(bounded, s)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.Number, f.Name, f.Title = i+1, c.name, c.title
		if f.Detail == nil {
			f.Detail = []string{}
		}
		if err := tell(f); err != nil {
			return err
		}
	}
	return nil
}

// ask looks at the subject; with several mailboxes, at each of them where that
// makes a difference, and the worst counts.
func (c check) ask(ctx context.Context, s *Subject) Finding {
	if !c.each || len(s.Boxes) < 2 {
		return c.look(s, ctx)
	}
	var all Finding
	var texts, fixes, details []string
	for i := range s.Boxes {
		s.Box = s.Boxes[i]
		f := c.look(s, ctx)
		s.Boxes[i] = s.Box // with what was seen
		where := "[" + s.Section + "] "
		texts = append(texts, where+f.Text)
		if f.Fix != "" {
			fixes = append(fixes, where+f.Fix)
		}
		for _, d := range f.Detail {
			details = append(details, where+d)
		}
		if i == 0 {
			all = f
		}
		all = worse(all, f)
	}
	s.Box = s.Boxes[0]
	all.Text, all.Fix, all.Detail = strings.Join(texts, "; "), strings.Join(fixes, "\n"), details
	return all
}

// Print writes a finding for people. Text of servers and mails cannot write to
// the terminal.
func (f Finding) Print(w io.Writer, detail bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%2d %-16s %-4s  %s\n", f.Number, f.Title, f.Result, Plain(f.Text))
	if detail {
		for _, d := range f.Detail {
			fmt.Fprintf(&b, "%26s%s\n", "", Plain(d))
		}
	}
	for i, line := range strings.Split(f.Fix, "\n") {
		if f.Fix != "" {
			fmt.Fprintf(&b, "%19s%-6s %s\n", "", []string{"fix", ""}[min(i, 1)], Plain(line))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Plain is text that a terminal shows and does not obey: what is no printable
// character is written as its escape.
func Plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%04x}`, r)
		}
		i += n
	}
	return b.String()
}

// Tally counts findings and says how it went in one line.
type Tally struct {
	Failed   int `json:"failed"`
	Warnings int `json:"warnings"`
}

// Add counts f.
func (t *Tally) Add(f Finding) {
	switch f.Result {
	case Fail:
		t.Failed++
	case Warn:
		t.Warnings++
	}
}

// String is the last line of the doctor.
func (t Tally) String() string {
	if t == (Tally{}) {
		return "everything is well"
	}
	return fmt.Sprintf("%d failed, %d %s", t.Failed, t.Warnings, plural(t.Warnings, "warning"))
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func ok(format string, args ...any) Finding {
	return Finding{Result: OK, Text: fmt.Sprintf(format, args...)}
}

func warn(fix, format string, args ...any) Finding {
	return Finding{Result: Warn, Text: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(fix, format string, args ...any) Finding {
	return Finding{Result: Fail, Text: fmt.Sprintf(format, args...), Fix: fix}
}

// worse returns the finding that matters more; of equals the first.
func worse(a, b Finding) Finding {
	rank := map[Result]int{OK: 0, Warn: 1, Fail: 2}
	if cmp.Compare(rank[b.Result], rank[a.Result]) > 0 {
		return b
	}
	return a
}

// Broken is what is said of a configuration that cannot be read; nothing else
// can be checked then.
func Broken(text, fix string) Finding {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return Finding{Number: 1, Name: checks[0].name, Title: checks[0].title, Result: Fail, Text: lines[0],
		Fix: strings.Join(append([]string{fix}, lines[1:]...), "\n"), Detail: []string{}}
}
