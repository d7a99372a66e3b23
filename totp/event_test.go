package totp_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// L1: binding, use of codes and renewal are recorded with time and source, in the
// transaction of the change; the desk takes each event once.
func TestEvents(t *testing.T) {
	inBubble(t, func(d *desk) {
		agent := "Mozilla/5.0\x00\n" + strings.Repeat("é", 500)
		ctx := totp.WithSource(d.Context(), totp.Source{IP: "192.0.2.7", Agent: agent})
		e, err := d.book.Begin(ctx, jane, "jane", totp.Proof{})
		d.must(err)
		codes, err := d.book.Confirm(ctx, jane, e.ID, at(e.Key, time.Now()))
		d.must(err)
		enrolled := time.Now()
		time.Sleep(time.Minute)
		for _, c := range codes[:8] {
			_, err := d.book.Verify(ctx, jane, c, totp.Web)
			d.must(err)
		}
		_, err = d.book.RenewBackupCodes(ctx, jane, totp.Proof{Code: at(e.Key, time.Now())})
		d.must(err)
		want := "enrolled" + strings.Repeat(" code_used", 7) + " codes_low code_used codes_renewed"
		if got := d.kinds(jane); got != want {
			d.Errorf("events %s\nwant %s", got, want)
		}
		waiting, err := totp.WaitingEvents(d.Context(), d.db, 3)
		d.must(err)
		if len(waiting) != 3 || waiting[0].Kind != totp.EventEnrolled || waiting[2].Detail != "8" {
			d.Fatalf("waiting %+v", waiting)
		}
		first := waiting[0]
		if first.User != jane || first.Generation != 1 || !first.At.Equal(enrolled) || first.Source.IP != "192.0.2.7" ||
			!strings.HasPrefix(first.Source.Agent, "Mozilla/5.0é") || len(first.Source.Agent) > 200 {
			d.Errorf("event %+v", first)
		}
		settle := func() error {
			return d.tx(func(tx *sql.Tx) error { return totp.SettleEvent(d.Context(), tx, first.ID, time.Now()) })
		}
		d.must(settle())
		d.wants("settle twice", settle(), totp.ErrConflict)
		waiting, err = totp.WaitingEvents(d.Context(), d.db, 100)
		d.must(err)
		if len(waiting) != 10 || waiting[0].ID == first.ID {
			d.Errorf("%d waiting", len(waiting))
		}
		last, err := d.book.History(d.Context(), jane, 1)
		d.must(err)
		if len(last) != 1 || last[0].Kind != totp.EventCodesRenewed {
			d.Errorf("history %+v", last)
		}
	})
}

// T6: a right code that comes again may mean that somebody else has it; the user
// is to be told, at most once a day. The exemption of the API is noted as often.
func TestEventsOnceADay(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, _ := d.enroll(jane, totp.Proof{})
		for range 2 {
			for range 3 {
				time.Sleep(time.Minute)
				code := at(key, time.Now())
				d.must(d.verify(code))
				for range 3 {
					d.wantsUsed("again", d.verify(code))
					_, err := d.book.Verify(d.Context(), jane, "", totp.API)
					d.must(err)
				}
			}
			time.Sleep(24 * time.Hour)
		}
		if got, want := d.kinds(jane), "enrolled code_repeated exempt code_repeated exempt"; got != want {
			d.Errorf("events %s, want %s", got, want)
		}
		_, err := d.book.Verify(d.Context(), "nobody", "", totp.API)
		d.must(err)
	})
}
