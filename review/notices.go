package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

// An audience is who hears of what happened to a user's factor.
type audience int

const (
	theUser      audience = iota // at the user's own address
	withAdmins                   // and the admins of the account
	withEveryone                 // and its notification addresses, of the last 30 days too: somebody made the account weaker
)

// A notice is how an event of a factor is told. Kinds without one are audited
// and told to nobody.
type notice struct {
	to     audience
	every  time.Duration // at most one letter of the kind in this time
	change bool          // of what gets in: each one is told (NIST SP 800-63B-4 4.1.2.1, 4.2.1.1)
}

var notices = map[totp.EventKind]notice{
	totp.EventEnrolled:      {theUser, time.Hour, true},
	totp.EventReplaced:      {theUser, time.Hour, true},
	totp.EventDeviceAdded:   {theUser, time.Hour, true},
	totp.EventDeviceRemoved: {withEveryone, time.Hour, true},
	totp.EventTurnedOff:     {withEveryone, time.Hour, true},
	totp.EventCodesRenewed:  {theUser, time.Hour, true},
	totp.EventCodeUsed:      {theUser, time.Hour, false},
	totp.EventCodesLow:      {theUser, time.Hour, false},
	totp.EventCodeRepeated:  {theUser, time.Hour, false},
	totp.EventLocked:        {withAdmins, 24 * time.Hour, false},
	totp.EventAlarm:         {withAdmins, 24 * time.Hour, false},
}

// A user hears of every change of what gets in, whatever else is told: after a
// user's own change nobody makes another one unheard. Only whoever goes on and on,
// with a right code each time, is told of once an hour. Of all else a user hears
// eight times a day.
const (
	changesADay = 20
	othersADay  = 8
	eventBatch  = 20
	changeKinds = `('enrolled', 'replaced', 'device_added', 'device_removed', 'turned_off', 'codes_renewed')`
)

// tellFactors takes what happened to second factors since it last looked: each
// event gets its audit event and its letters, and is settled, all in one
// transaction for a batch. If a batch fails its events are taken one by one, so
// that one of them does not stop the others.
func (d *Desk) tellFactors(ctx context.Context) error {
	for ctx.Err() == nil {
		events, err := totp.WaitingEvents(ctx, d.db.read, eventBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := d.takeEvents(ctx, events); err == nil {
			continue
		}
		var errs []error
		for _, e := range events {
			if err := d.takeEvents(ctx, []totp.Event{e}); err != nil && !errors.Is(err, totp.ErrConflict) {
				errs = append(errs, fmt.Errorf("event %d: %w", e.ID, err))
			}
		}
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
	}
	return ctx.Err()
}

func (d *Desk) takeEvents(ctx context.Context, events []totp.Event) error {
	letters := 0
	err := d.update(ctx, "tell of factors", func(tx *sql.Tx) error {
		now := time.Now()
		for _, e := range events {
			if err := totp.SettleEvent(ctx, tx, e.ID, now); err != nil {
				return err
			}
			n, err := d.takeEvent(ctx, tx, e, now)
			if err != nil {
				return err
			}
			letters += n
		}
		return nil
	})
	if err == nil && letters > 0 {
		d.lettersReady()
	}
	return err
}

// A factorDetail is what the audit keeps of an event. Untold says why nobody
// was mailed.
type factorDetail struct {
	Event      int64  `json:"event"`
	At         string `json:"at"`
	Generation int64  `json:"generation"`
	IP         string `json:"ip,omitempty"`
	Agent      string `json:"agent,omitempty"`
	Detail     string `json:"detail,omitempty"`
	Letters    int    `json:"letters"`
	Untold     string `json:"untold,omitempty"`
}

func (d *Desk) takeEvent(ctx context.Context, tx *sql.Tx, e totp.Event, now time.Time) (letters int, err error) {
	detail := factorDetail{Event: e.ID, At: stamp(e.At), Generation: e.Generation, IP: e.Source.IP, Agent: e.Source.Agent, Detail: e.Detail}
	if e.Kind == totp.EventTurnedOff { // the user may be due to enroll again
		if _, err := tx.ExecContext(ctx, `UPDATE panel_user SET remind_at = 0 WHERE id = $1`, e.User); err != nil {
			return 0, err
		}
	}
	detail.Untold, err = untold(ctx, tx, e, now)
	if err == nil && detail.Untold == "" {
		detail.Letters, detail.Untold, err = d.tell(ctx, tx, e, now)
	}
	if err != nil {
		return 0, err
	}
	_, err = record(ctx, tx, now, actorOf(e), "factor."+string(e.Kind), e.User, detail)
	return detail.Letters, err
}

// actorOf says whose act an event is: the user's, if a right code proved it, else
// it is only what the panel saw.
func actorOf(e totp.Event) string {
	if n, ok := strings.CutPrefix(e.User, "staff:"); ok {
		n, _, _ = strings.Cut(n, ":") // a reset made a holder of its own
		return "reviewer:" + n
	}
	switch e.Kind {
	case totp.EventCodeRepeated, totp.EventLocked, totp.EventAlarm, totp.EventExempt:
		return "panel"
	}
	return "user"
}

// untold says why an event gets no letter, "" if it gets one. Mail goes only to
// stored addresses, and those of reviewers are none.
func untold(ctx context.Context, tx *sql.Tx, e totp.Event, now time.Time) (string, error) {
	n, ok := notices[e.Kind]
	if !ok {
		return "nothing to tell", nil
	}
	var known, low bool
	var same, changes, others int
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM panel_user WHERE id = $1),
			EXISTS (SELECT 1 FROM factor_event WHERE user_id = $1 AND at = $5 AND kind = 'codes_low'),
			count(DISTINCT CASE WHEN kind IN `+changeKinds+` THEN topic END), count(DISTINCT CASE WHEN kind NOT IN `+changeKinds+` THEN topic END),
			count(DISTINCT CASE WHEN kind = $2 AND queued_at > $4 THEN topic END)
		FROM letter WHERE user_id = $1 AND queued_at > $3 AND kind <> 'reminder'`,
		e.User, string(e.Kind), micros(now.Add(-24*time.Hour)), micros(now.Add(-n.every)), micros(e.At)).Scan(&known, &low, &changes, &others, &same)
	switch {
	case err != nil:
		return "", fmt.Errorf("read letters of user: %w", err)
	case !known:
		return "not a user of an account", nil
	case e.Kind == totp.EventCodeUsed && low:
		return "the letter about few codes tells it", nil
	case n.change && changes < changesADay:
		return "", nil
	case same > 0:
		return "told of the same kind lately", nil
	case !n.change && others >= othersADay:
		return "told too often today", nil
	}
	return "", nil
}

// tell queues the letters about an event.
func (d *Desk) tell(ctx context.Context, tx *sql.Tx, e totp.Event, now time.Time) (queued int, untold string, err error) {
	w, u, err := d.userWords(ctx, tx, e.User)
	if err != nil {
		return 0, "", err
	}
	w.When, w.IP = letters.When(e.At, u.locale), plainIP(e.Source.IP)
	switch e.Kind {
	case totp.EventDeviceAdded, totp.EventDeviceRemoved:
		w.Device = plainName(e.Detail)
	case totp.EventCodeUsed, totp.EventCodesLow:
		if n, err := strconv.Atoi(e.Detail); err == nil {
			w.Left = strconv.Itoa(n)
		}
	}
	return d.mailUser(ctx, tx, u, notices[e.Kind].to, owed{kind: string(e.Kind), topic: fmt.Sprintf("event:%d", e.ID)}, w, now)
}

// A listener is the user whom a letter without a case is about.
type listener struct{ id, account, locale string }

// userWords fills in what every letter about a user says.
func (d *Desk) userWords(ctx context.Context, tx *sql.Tx, user string) (letters.Words, listener, error) {
	w := letters.Words{Brand: d.cfg.Brand, Phone: d.cfg.Phone, Panel: d.cfg.Panel}
	u := listener{id: user}
	var name string
	err := tx.QueryRowContext(ctx, `SELECT u.login, a.id, a.name, a.locale FROM panel_user u JOIN account a ON a.id = u.account_id WHERE u.id = $1`,
		user).Scan(&w.User, &u.account, &name, &u.locale)
	if err != nil {
		return w, u, fmt.Errorf("read user: %w", err)
	}
	u.locale = letters.Language(u.locale)
	w.User, w.AccountID, w.Account = oneLine(w.User), u.account, oneLine(name)+" ("+u.account+")"
	return w, u, nil
}

// mailUser queues a letter to a user and to whoever else of the account must
// know, each mailbox once. The admins stand in for a user without an address.
func (d *Desk) mailUser(ctx context.Context, tx *sql.Tx, u listener, to audience, o owed, w letters.Words, now time.Time) (letters int, untold string, err error) {
	people, err := addresses(ctx, tx, `user_id = $1 AND until IS NULL ORDER BY id`, u.id)
	if err != nil {
		return 0, "", err
	}
	own := len(people)
	if own == 0 && to == theUser {
		to = withAdmins
	}
	others, err := listeners(ctx, tx, u, to, now)
	if err != nil {
		return 0, "", err
	}
	people = append(people, others...)
	if len(people) == 0 {
		return 0, "no address on file", nil
	}
	o.locale, o.serial, o.user, o.about = u.locale, 1, u.id, "user"
	seen := map[string]bool{}
	for i, r := range people {
		if seen[r.lookup] {
			continue
		}
		seen[r.lookup] = true
		o.to, w.Own, w.Former = r, i < own, r.role == "former"
		if err := d.queue(ctx, tx, o, w, now); err != nil {
			return 0, "", err
		}
	}
	return len(seen), "", nil
}

// listeners are those of an audience who are not the user. Whoever takes an
// address away first and makes the account weaker then is heard of at the
// address that was there.
func listeners(ctx context.Context, tx *sql.Tx, u listener, to audience, now time.Time) ([]recipient, error) {
	const order = ` ORDER BY CASE role WHEN 'admin' THEN 0 ELSE 1 END, id`
	switch to {
	case withAdmins:
		return addresses(ctx, tx, `account_id = $1 AND until IS NULL AND role = 'admin'`+order, u.account)
	case withEveryone:
		people, err := addresses(ctx, tx, `account_id = $1 AND until IS NULL AND role IN ('admin', 'notify')`+order, u.account)
		if err != nil {
			return nil, err
		}
		former, err := formerContacts(ctx, tx, u.account, u.id, now)
		return append(people, former...), err
	}
	return nil, nil
}

// answersLetter reports whether a mail names a letter of ours as what it answers.
// Users, contacts and former ones are told to object by mail where there is no
// phone, and only admins are registered. Of the references the newest count.
func answersLetter(ctx context.Context, tx *sql.Tx, r *reading) (answers bool, err error) {
	ids := append(slices.Clone(r.message.References), r.message.InReplyTo...)
	for _, id := range ids[max(0, len(ids)-10):] {
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM letter WHERE message_id = $1)`, strings.ToLower(id)).Scan(&answers)
		if err != nil {
			return false, fmt.Errorf("read letter answered: %w", err)
		}
		if answers {
			return true, nil
		}
	}
	return false, nil
}

// addresses reads stored addresses.
func addresses(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]recipient, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, address, lookup, role FROM address WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	defer rows.Close()
	var all []recipient
	for rows.Next() {
		var r recipient
		if err := rows.Scan(&r.id, &r.address, &r.lookup, &r.role); err != nil {
			return nil, fmt.Errorf("read addresses: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// plainIP is an address as the panel gave it, "" for anything else: a letter
// never carries text that a stranger chose.
func plainIP(s string) string {
	ip, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}

// plainName is the name of a device without what somebody would open or call:
// whoever enrolled chose it. No model needs more than four digits.
func plainName(s string) string {
	digits := 0
	s = oneLine(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			if digits++; digits > 4 {
				return -1
			}
			return r
		case unicode.IsLetter(r) || strings.ContainsRune("-_'()", r):
			return r
		}
		return ' '
	}, s))
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40])
	}
	return strings.TrimSpace(s)
}
