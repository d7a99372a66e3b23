package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What the assessor has in hand at a time. One mail whose name server is slow does not
// hold up the examination of others for long. Mails that are examined wait for the
// commit before theirs, and weigh some megabytes at most.
const (
	assessors  = 16                    // mails examined at a time
	inHand     = 64                    // mails that have no fate yet
	weightUnit = 128 << 10             // bytes of a mail that count as one mail more
	batchTime  = 50 * time.Millisecond // of one transaction: people's acts wait for it
)

// assessWaiting gives every waiting mail its fate. They are examined side by side,
// outside any transaction, and get their fates in the order they came in: who asked
// first is the requester, and the later of two mails is the copy. What is examined
// when the commit before is done is one batch: a mail alone never waits for
// others, and many share their commits.
func (d *Desk) assessWaiting(ctx context.Context) error {
	select {
	case d.assessing <- struct{}{}: // nobody else works on the same mails
		defer func() { <-d.assessing }()
	case <-ctx.Done():
		return nil
	}
	l := &line{places: make(chan chan reading, inHand), room: make(chan struct{}, inHand)}
	var listed error
	go func() {
		listed = d.examineWaiting(ctx, l)
		close(l.places)
	}()
	var errs []error
	for {
		mails := l.batch()
		if len(mails) == 0 {
			return errors.Join(append(errs, listed)...)
		}
		if ctx.Err() == nil { // a cut look-up is no finding
			errs = append(errs, d.giveFates(ctx, mails))
		}
		l.leave(mails)
	}
}

// A line is the mails that are under examination, in the order they came in.
type line struct {
	places chan chan reading
	first  chan reading  // the first of places, already taken out
	room   chan struct{} // taken by the mails in the line
}

// batch takes mails out of the line: the first, when it is examined, and all behind it
// that are examined by then. It is empty when the line has ended.
func (l *line) batch() (mails []reading) {
	if l.first == nil {
		l.first = <-l.places
	}
	if l.first == nil {
		return nil
	}
	for mails = append(mails, <-l.first); ; {
		l.first = nil
		select {
		case l.first = <-l.places:
		default:
		}
		select {
		case r := <-l.first: // nil blocks: there is none
			mails = append(mails, r)
		default:
			return mails
		}
	}
}

// enter takes the room of mails, as soon as it is there.
func (l *line) enter(ctx context.Context, mails []inLine) bool {
	for _, m := range mails {
		for range m.room() {
			select {
			case l.room <- struct{}{}:
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}

func (l *line) leave(mails []reading) {
	for _, r := range mails {
		for range r.room() {
			<-l.room
		}
	}
}

// An inLine is a mail without a fate.
type inLine struct{ id, size int64 }

// room is how much of the line a mail takes.
func (m inLine) room() int { return int(min(1+m.size/weightUnit, loadTogether)) }

// examineWaiting puts every waiting mail into the line and examines it.
func (d *Desk) examineWaiting(ctx context.Context, l *line) error {
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, assessors)
	for after := int64(0); ctx.Err() == nil; {
		mails, err := d.waitingMails(ctx, after)
		if err != nil || len(mails) == 0 {
			return err
		}
		after = mails[len(mails)-1].id
		for len(mails) > 0 {
			n := together(mails)
			if !l.enter(ctx, mails[:n]) {
				return nil
			}
			for _, r := range d.load(ctx, mails[:n]) {
				place := make(chan reading, 1)
				l.places <- place
				free <- struct{}{}
				all.Go(func() {
					defer func() { <-free }()
					if r.failed == nil {
						d.examine(ctx, &r)
					}
					place <- r
				})
			}
			mails = mails[n:]
		}
	}
	return nil
}

// together is how many of mails are loaded at once.
func together(mails []inLine) (n int) {
	for room := 0; n < len(mails); n++ {
		if room += mails[n].room(); room > loadTogether {
			return max(n, 1)
		}
	}
	return n
}

// waitingMails lists the first waiting mails behind after.
func (d *Desk) waitingMails(ctx context.Context, after int64) (all []inLine, err error) {
	rows, err := d.db.read.QueryContext(ctx, `SELECT id, coalesce(length(raw), 0) FROM inbound WHERE fate IS NULL AND retry_at <= $1 AND id > $2 ORDER BY id LIMIT 500`,
		micros(time.Now()), after)
	if err != nil {
		return nil, fmt.Errorf("list waiting mails: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m inLine
		if err := rows.Scan(&m.id, &m.size); err != nil {
			return nil, fmt.Errorf("list waiting mails: %w", err)
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// giveFates gives mails their fates. If a transaction fails that several share, each
// of its mails gets one of its own, so that none of them stops the others.
func (d *Desk) giveFates(ctx context.Context, mails []reading) error {
	var errs []error
	for len(mails) > 0 && ctx.Err() == nil {
		tried, err := d.shareCommit(ctx, mails)
		switch {
		case err == nil:
		case tried > 1:
			d.log.Warn("mails are assessed one by one", "mails", tried, "error", err)
			for i := range tried {
				errs = append(errs, d.giveFates(ctx, mails[i:i+1]))
			}
		case ctx.Err() == nil:
			errs = append(errs, fmt.Errorf("assess mail %d: %w", mails[0].id, errors.Join(err, d.postpone(ctx, mails[0].id))))
		}
		mails = mails[max(tried, 1):]
	}
	return errors.Join(errs...)
}

// shareCommit gives mails their fates in one transaction, as many as begin within
// batchTime. It says how many it tried.
func (d *Desk) shareCommit(ctx context.Context, mails []reading) (tried int, err error) {
	queued := false
	err = d.update(ctx, "give fates", func(tx *sql.Tx) error {
		for began := time.Now(); tried < len(mails) && (tried == 0 || time.Since(began) < batchTime); {
			r := mails[tried] // a copy: what a failed transaction finds out is forgotten
			tried++
			letters, err := d.giveFate(ctx, tx, &r)
			if err != nil {
				return err
			}
			queued = queued || letters
		}
		return nil
	})
	if err == nil && queued {
		d.lettersReady()
	}
	return tried, err
}

// maxAssessments is how often a mail is tried whose assessment ends in an
// internal error, over about a day.
const maxAssessments = 30

// postpone puts a mail back whose assessment failed. One that never succeeds is
// quarantined in the end, where a person sees it.
func (d *Desk) postpone(ctx context.Context, id int64) error {
	return d.update(ctx, "postpone mail", func(tx *sql.Tx) error {
		var attempts int
		now := time.Now()
		err := tx.QueryRowContext(ctx, `UPDATE inbound SET attempts = attempts + 1, retry_at = $2 WHERE id = $1 AND fate IS NULL RETURNING attempts`,
			id, micros(now)).Scan(&attempts)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if attempts >= maxAssessments {
			return setFate(ctx, tx, id, "quarantined", "It could not be processed: an internal error each time. An operator must look at the log.")
		}
		_, err = tx.ExecContext(ctx, `UPDATE inbound SET retry_at = $2 WHERE id = $1`, id, micros(now.Add(retryAfter(attempts))))
		return err
	})
}

// retryAfter is the pause before a mail is assessed again: 2 s, doubled up to an
// hour.
func retryAfter(attempts int) time.Duration { return min(time.Second<<min(attempts, 12), time.Hour) }
