package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// sample is how many of the newest mails are looked at.
const sample = 50

// look reads the newest mails of every folder once, for all checks.
func (s *Subject) look(ctx context.Context) (map[string]mailbox.Glimpse, error) {
	if s.seen != nil {
		return s.seen.glimpses, s.seen.err
	}
	all := map[string]mailbox.Glimpse{}
	for _, folder := range s.Folders {
		g, err := mailbox.Peek(ctx, s.Mailbox, folder, sample, nil)
		if err != nil {
			s.seen = &sight{err: err}
			return nil, err
		}
		all[folder] = g
	}
	s.seen = &sight{glimpses: all}
	return all, nil
}

func (s *Subject) checkMailbox(ctx context.Context) Finding {
	seen, err := s.look(ctx)
	if err != nil {
		fix := "mend [mailbox], or the server"
		switch text := err.Error(); {
		case strings.Contains(text, "sign-in refused"):
			fix = "check the user and the password file (many providers want an app password), and that IMAP is allowed"
		case strings.Contains(text, "examine"):
			fix = "mend mailbox.folders; names are as the server spells them"
		case strings.Contains(text, "connect"):
			fix = "check mailbox.host, mailbox.port and the firewall"
		}
		what, next := mailbox.Advice(err)
		if next != "" {
			fix = next
		}
		return fail(fix, "%s", what)
	}
	found := ok("%s at %s%s", s.Mailbox.User, s.Mailbox.Host, by(s.Mailbox.Tokens))
	for _, folder := range s.Folders {
		g := seen[folder]
		found.Text += fmt.Sprintf("; %s has %d %s", folder, g.Mails, plural(int(g.Mails), "mail"))
		if g.UIDValidity == 0 {
			return fail("ask the provider; without a UIDVALIDITY no mail can be told from another", "%s has no UIDVALIDITY", folder)
		}
	}
	if len(s.Folders) > 0 && !seen[s.Folders[0]].Idle {
		found.Text += "; no IDLE, so it is looked at every 3 minutes"
	}
	return worse(found, s.late(ctx, seen))
}

// late holds what the mailbox shows against what the database says was read.
// Before the first start there is nothing to compare.
func (s *Subject) late(ctx context.Context, seen map[string]mailbox.Glimpse) Finding {
	looks, err := review.ReadLooks(ctx, s.Database)
	if err != nil {
		return warn("see check 4", "what was read is not known: %v", err)
	}
	found := ok("")
	for _, l := range looks {
		g, watched := seen[l.Folder]
		if l.Mailbox != s.Mailbox.Mailbox || !watched {
			continue
		}
		waiting, since := 0, time.Time{}
		for _, m := range g.Newest {
			if g.UIDValidity == l.UIDValidity && m.UID > max(l.UID, l.Backlog) && s.Now().Sub(m.Received) >= mailbox.Late {
				waiting, since = waiting+1, m.Received // the newest come first
			}
		}
		switch {
		case waiting > 0:
			found = worse(found, fail("start serve, or look into its log for the folder", "%s: %d %s not read, the oldest since %s", l.Folder, waiting, plural(waiting, "mail"), since.UTC().Format("2006-01-02 15:04 UTC")))
		case l.Late(s.Now()) != "":
			found = worse(found, warn("start serve, or look into its log", "%s, but no mail waits there", l.Late(s.Now())))
		}
	}
	return found
}

// checkClock holds our clock against the mail server's: a mail cannot have come
// in the future.
func (s *Subject) checkClock(ctx context.Context) Finding {
	seen, err := s.look(ctx)
	if err != nil {
		return warn("see check 6", "not known: the mailbox cannot be read")
	}
	var newest time.Time
	for _, g := range seen {
		for _, m := range g.Newest {
			if m.Received.After(newest) {
				newest = m.Received
			}
		}
	}
	if newest.IsZero() {
		return ok("%s; the mailbox is empty, so there is nothing to compare it with", s.Now().UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	switch ahead := newest.Sub(s.Now()); {
	case ahead > 2*time.Minute:
		return fail("timedatectl set-ntp true", "the newest mail came %s in our future: this clock is behind, or the mail server's is ahead", span(ahead))
	case ahead > 10*time.Second:
		return warn("timedatectl set-ntp true", "the newest mail came %s in our future", span(ahead))
	default:
		return ok("%s; the newest mail came %s ago by the server's clock", s.Now().UTC().Format("2006-01-02 15:04:05 UTC"), span(max(-ahead, 0)))
	}
}

func (s *Subject) checkSMTP(ctx context.Context) Finding {
	c := s.Postman
	if err := mailbox.TrySignIn(ctx, c); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fail("check smtp.host, smtp.port and the firewall", "no answer from %s", c.Host)
		}
		if what, next := mailbox.Advice(err); next != "" {
			return fail(next, "%s", what)
		}
		return fail("mend [smtp]: "+map[bool]string{true: "check the user and the password file", false: "check host, port and security"}[strings.Contains(err.Error(), "refused") && strings.Contains(err.Error(), "sign-in")], "%v", err)
	}
	who := "without a sign-in"
	if c.User != "" {
		who = "signed in as " + c.User + by(c.Tokens)
	}
	return ok("%s, %s", c.Host, who)
}

// by names what a sign-in rests on if that is no password.
func by(t mailbox.Tokens) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(" by OAuth (%v)", t)
}
