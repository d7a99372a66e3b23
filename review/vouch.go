package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"github.com/resetdesk/resetdesk/review/letters"
	"time"
)

// vouchLifetime is how long a second admin may take (NIST SP 800-63B-4 4.2.1.3: a
// recovery contact's code lives at most 24 h longer than another).
const vouchLifetime = 48 * time.Hour

// vouchers are the registered addresses of the account that may vouch: admins since
// before the case, neither the one that asked nor an address of the user.
func vouchers(ctx context.Context, tx *sql.Tx, c caseRow) ([]recipient, error) {
	people, err := addresses(ctx, tx, `account_id = $1 AND role = 'admin' AND until IS NULL AND lookup <> $2 AND since < $3
		AND lookup NOT IN (SELECT lookup FROM address WHERE user_id = $4) ORDER BY lookup, id LIMIT 50`, c.account, c.requester, micros(c.opened), c.user)
	var all []recipient
	for _, p := range people {
		if len(all) == 0 || all[len(all)-1].lookup != p.lookup {
			all = append(all, p)
		}
	}
	return all, err
}

// AskToVouch mails another admin of the account a link of his own, through which he
// says whether he knows of the request. in.Other is the id of the address.
func (d *Desk) AskToVouch(ctx context.Context, s Session, name string, in Decision) error {
	if err := d.allow(ctx, d.db.read, s, Decide); err != nil {
		return err
	}
	rule, err := d.rule(name)
	if err == nil && rule.How != SecondAdmin {
		err = errNoRule
	}
	if err != nil {
		return err
	}
	return d.act(ctx, s, in, "vouching_asked", []State{StateOpen}, func(tx *sql.Tx, c caseRow, now time.Time) error {
		people, err := vouchers(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, to := range people {
			if fmt.Sprint(to.id) == in.Other {
				return d.mailVoucher(ctx, tx, c, to, now)
			}
		}
		return invalid("other", "Choose another registered admin of the account.")
	})
}

func (d *Desk) mailVoucher(ctx context.Context, tx *sql.Tx, c caseRow, to recipient, now time.Time) error {
	var serial int64
	err := tx.QueryRowContext(ctx, `SELECT count(*) + 1 FROM letter WHERE case_id = $1 AND round = $2 AND kind = 'vouch' AND address_id = $3`, c.id, c.round, to.id).Scan(&serial)
	if err != nil {
		return fmt.Errorf("read letters: %w", err)
	}
	if serial > 3 {
		return fail(TooMany, "This admin was asked three times already. Use another way.")
	}
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	until := now.Add(vouchLifetime)
	if w.Link, err = d.newLink(ctx, tx, c, "vouch", to, now, until); err != nil {
		return err
	}
	w.LinkUntil = letters.When(until, c.locale)
	return d.queueLetter(ctx, tx, c, "vouch", to, 0, serial, w, now)
}

// vouch records what a second admin said. A no holds the case, as a failure of any
// evidence does; a yes is one row of evidence and nothing more.
func (d *Desk) vouch(ctx context.Context, tx *sql.Tx, l link, c caseRow, in Reply, now time.Time) error {
	said, err := vouched(ctx, tx, l)
	if err != nil || said == "fail" || (said == "pass" && in.Yes) {
		return err // said before; a no stays
	}
	if in.Yes {
		var confirmed bool
		err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM answer o JOIN owner_link y ON y.hash = o.link JOIN address a ON a.id = y.address_id
			WHERE o.case_id = $1 AND o.round = $2 AND o.answer = 'yes' AND a.lookup = $3`, c.id, c.round, l.address).Scan(&confirmed)
		if err != nil {
			return err
		}
		if confirmed {
			return fail(Conflict, "You confirmed the request yourself; another admin has to vouch for it.")
		}
	}
	rule := EvidenceRule{Name: "second_admin", Title: "A second admin vouches", How: SecondAdmin}
	for _, r := range d.cfg.Policy.Evidence {
		if r.How == SecondAdmin {
			rule = r
			break
		}
	}
	f := Finding{Result: "pass", Words: "The admin at " + maskAddress(l.address) + " knows of the request, and said so through his own link, from " + in.IP + "."}
	if !in.Yes {
		f.Result, f.Words = "fail", "The admin at "+maskAddress(l.address)+" does not know of the request, and said so through his own link, from "+in.IP+"."
	}
	return d.saveProof(ctx, tx, c, rule, f, "owner", 0, nil, l.hash, now)
}

// vouched is what was said through a link last, "" if nothing was.
func vouched(ctx context.Context, tx *sql.Tx, l link) (result string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT result FROM evidence WHERE case_id = $1 AND round = $2 AND link = $3 ORDER BY id DESC LIMIT 1`,
		l.caseID, l.round, l.hash).Scan(&result)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return result, err
}

// notVouched refuses the yes of an admin who vouched for the request of another: one
// person is not two.
func notVouched(ctx context.Context, tx *sql.Tx, l link, c caseRow) error {
	var already bool
	err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM evidence e JOIN owner_link y ON y.hash = e.link JOIN address a ON a.id = y.address_id
		WHERE e.case_id = $1 AND e.round = $2 AND e.result = 'pass' AND a.lookup = $3`, c.id, c.round, l.address).Scan(&already)
	if err == nil && already {
		err = fail(Conflict, "You vouched for the request already; the one who asked has to confirm it.")
	}
	return err
}
