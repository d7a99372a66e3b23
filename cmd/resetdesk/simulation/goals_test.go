package simulation

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/ui"
	"github.com/resetdesk/resetdesk/ui/api"
	"github.com/resetdesk/resetdesk/ui/webhook"
)

// A goal is something that comes true, and what people do until it has.
type goal struct {
	reached string
	act     func(*town)
}

const fates = `SELECT count(*) > 0 AND count(*) = (SELECT count(*) FROM inbound WHERE fate IS NOT NULL) AND (SELECT uid FROM cursor) >= count(*) FROM inbound`

var goals = map[string]goal{
	"fates":   {fates, nil},
	"letters": {`SELECT NOT EXISTS (SELECT 1 FROM letter WHERE state <> 'sent') AND NOT EXISTS (SELECT 1 FROM factor_event WHERE settled_at IS NULL)`, nil},
	"yes":     {`SELECT count(*) FROM answer WHERE answer = 'yes'`, func(w *town) { w.click("confirm", "yes") }},
	"no":      {`SELECT count(*) FROM answer WHERE answer = 'no'`, func(w *town) { w.click("confirm", "no") }},
	"undone":  {`SELECT count(*) FROM undo`, func(w *town) { w.click("undo", "undo") }},
	"vote":    {`SELECT count(*) FROM approval`, (*town).voteNow},
	"reset": {`SELECT count(*) FROM reset`, func(w *town) {
		if w.count(`SELECT count(*) FROM approval`) == 0 {
			w.voteNow()
		}
	}},
	"resumed": {`SELECT count(*) FROM reset_case WHERE round = 2`, func(w *town) {
		w.decideNow(func(s review.Session, in review.Decision) error {
			return w.prog.desk.ResumeCase(w.t.Context(), s, in)
		})
	}},
	"rejected": {`SELECT count(*) FROM reset_case WHERE state = 'rejected'`, func(w *town) {
		w.decideNow(func(s review.Session, in review.Decision) error {
			in.Class = "other"
			return w.prog.desk.Reject(w.t.Context(), s, in)
		})
	}},
	"enrolled": {`SELECT count(*) FROM credential WHERE user_id = 'U-1' AND state = 'active' AND generation = 2`, (*town).enrollNow},
}

func plainSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// startFor starts the program in real time.
func (w *town) startFor(s stage) {
	postman := &mailbox.Postman{Config: mailbox.PostmanConfig{Security: mailbox.Plain, Poll: 50 * time.Millisecond,
		UncertainWait: 200 * time.Millisecond, Backoff: func(int) time.Duration { return 50 * time.Millisecond }}}
	watcher := &mailbox.Watcher{Config: mailbox.WatcherConfig{Mailbox: "support", Security: mailbox.Plain, User: s.User, Poll: 100 * time.Millisecond,
		Backoff:  func(int) time.Duration { return 20 * time.Millisecond },
		Password: func(context.Context) (string, error) { return s.Password, nil }}}
	var err error
	postman.Config.Host, postman.Config.Port = splitAddr(w.t, s.SMTP)
	watcher.Config.Host, watcher.Config.Port = splitAddr(w.t, s.IMAP)
	c := w.config(postman.Kick)
	c.OpenBacklog = true // the mails were there first
	c.UncertainWait, c.From = 200*time.Millisecond, mail.Address{Name: "Example Support", Address: "support@host.example"}
	c.Policy.Low.Wait, c.Policy.Medium.Wait, c.Policy.High.Wait = 0, 0, 0
	c.Policy.Low.Approvals, c.Policy.Medium.Approvals, c.Policy.High.Approvals = 1, 1, 1
	courier := &webhook.Courier{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	c.WebhookPlain, c.HooksReady = true, courier.Kick
	w.configure(s, &c)
	p := &program{}
	w.prog = p
	if s.Scenario == faulty {
		w.mend()
	}
	if p.desk, err = review.Open(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	if s.Scenario == faulty {
		w.spoil()
	}
	pages := ui.Config{Desk: p.desk, BaseURL: base, Brand: "Example", SSO: w.provider()}
	if pages.API, err = api.New(api.Config{Desk: p.desk, BaseURL: base}); err != nil {
		w.t.Fatal(err)
	}
	if p.pages, err = ui.New(pages); err != nil {
		w.t.Fatal(err)
	}
	postman.Outbox, watcher.Inbox, courier.Outbox = p.desk, p.desk, p.desk
	var ctx context.Context
	ctx, p.stop = context.WithCancel(w.t.Context())
	for _, run := range []func(context.Context) error{postman.Run, watcher.Run, p.desk.Run, courier.Run} {
		p.all.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.t.Errorf("run: %v", err)
			}
		})
	}
}

// leave ends the program well.
func (w *town) leave() {
	w.prog.stop()
	w.prog.all.Wait()
	if err := w.prog.desk.Close(); err != nil {
		w.t.Error(err)
	}
}

func splitAddr(t *testing.T, addr string) (string, int) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return host, n
}

// opened reads the letters of a kind from the outbox, newest first: the worker has
// the key.
func (w *town) opened(kind string) (texts []string) {
	rows, err := w.plain.Query(`SELECT message_id, sealed FROM letter WHERE kind = $1 AND state = 'sent' ORDER BY id DESC`, kind)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var sealed []byte
		if err := rows.Scan(&id, &sealed); err != nil {
			w.t.Fatal(err)
		}
		raw, err := w.keys.Open("letter", id, sealed)
		if err != nil {
			w.t.Fatal(err)
		}
		text := strings.ReplaceAll(string(bytes.ReplaceAll(raw, []byte("=\r\n"), nil)), "\r\n", "\n")
		texts = append(texts, text)
	}
	return texts
}

// click answers the link of the newest letter that has one.
func (w *town) click(purpose, answer string) {
	for _, text := range w.opened(map[string]string{"confirm": "acknowledgement", "undo": "cleared"}[purpose]) {
		if m := linkPattern.FindStringSubmatch(text); m != nil {
			w.post(m[1], "", "answer", answer)
			return
		}
	}
}

// codes are those that a holder's phone shows, of the step before, this one and
// the next.
func (w *town) codes(holder string) (all []string) {
	for n := range 3 {
		all = append(all, code(w.t, w.secrets[holder], time.Now().Add(time.Duration(n-1)*30*time.Second)))
	}
	return all
}

// session is that of a reviewer who is signed in, or has an unused code to do it.
func (w *town) session() (who string, s review.Session, ok bool) {
	for _, who := range []string{"rita", "sam"} {
		if s, ok := w.enters(who); ok {
			return who, s, true
		}
	}
	return "", review.Session{}, false
}

func (w *town) theCase() (number string) {
	if err := w.plain.QueryRow(`SELECT number FROM reset_case ORDER BY id LIMIT 1`).Scan(&number); err != nil {
		w.t.Fatal(err)
	}
	return number
}

func (w *town) decideNow(act func(review.Session, review.Decision) error) {
	_, s, ok := w.session()
	if !ok {
		return
	}
	v, err := w.prog.desk.Case(w.t.Context(), s, w.theCase())
	if err == nil {
		err = act(s, review.Decision{Number: v.Number, Version: v.Version, Note: "a call"})
	}
	if err != nil && review.KindOf(err) == "" {
		w.t.Error(err)
	}
}

// voteNow approves on the page.
func (w *town) voteNow() {
	if who, _, ok := w.session(); ok {
		deed(who, "approve")(w)
	}
}

// enrollNow uses the pass of the newest letter that has one.
func (w *town) enrollNow() {
	book, ctx := w.prog.desk.Book(), w.t.Context()
	for _, text := range w.opened("pass") {
		m := passPattern.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		e, err := book.Begin(ctx, "U-1", "user1", totp.Proof{Pass: m[1]})
		if err == nil {
			_, err = book.Confirm(ctx, "U-1", e.ID, code(w.t, e.Key.Secret().Base32(), time.Now()))
		}
		if err != nil {
			w.t.Log(fmt.Errorf("enroll: %w", err))
		}
		return
	}
}
