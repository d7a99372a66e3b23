package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// Role says what a reviewer may do, see [Roles].
type Role string

// The roles, from the least to the most entitled.
const (
	Viewer  Role = "viewer"
	Auditor Role = "auditor"
	Decider Role = "reviewer"
	Lead    Role = "lead"
	Admin   Role = "admin"
)

// A Right is one kind of thing that a role allows.
type Right string

// The rights. Each route of the pages and each method of the desk that takes a
// [Session] asks for one of them.
const (
	Look       Right = "look"
	Oversee    Right = "oversee"
	TakeOut    Right = "take out"
	Decide     Right = "decide"
	Leading    Right = "lead"
	Administer Right = "administer"
)

// anyLive is asked of a session that may owe its second factor.
const anyLive Right = ""

// Rights says what each right is for, and what who lacks it is told.
var Rights = []struct {
	Right          Right
	Means, Refused string
}{
	{Look, "see cases, parked mails and the audit; keep one's own profile", "Your role may not look at this."},
	{Oversee, "see who the reviewers are, their factors and sessions", "Your role may not see the reviewers."},
	{TakeOut, "take the audit and evidence packs out of the desk, see what it found about all cases together", "Taking records out of the desk needs the role auditor, lead or admin."},
	{Decide, "decide about cases: vote, reject, hold, ask, choose", "Your role may look at cases and not decide them."},
	{Leading, "see quarantined mails, unlock a user after an undo, lift a freeze, switch threat mode", "Only a lead or an admin may do this."},
	{Administer, "invite, change and disable reviewers, reset their factors, make API keys", "Only an admin of the desk may do this."},
}

// Roles is the one table of what each role may do. The pages, the desk, the
// manual and the matrix of tests are made from it.
var Roles = []struct {
	Role  Role
	Means string
	May   []Right
}{
	{Viewer, "looks", []Right{Look}},
	{Auditor, "looks, also at the people, and takes records out", []Right{Look, Oversee, TakeOut}},
	{Decider, "decides", []Right{Look, Decide}},
	{Lead, "decides, and sees what is set aside", []Right{Look, Oversee, TakeOut, Decide, Leading}},
	{Admin, "all of it, and manages people", []Right{Look, Oversee, TakeOut, Decide, Leading, Administer}},
}

// May reports whether the role has the right.
func (r Role) May(right Right) bool {
	for _, row := range Roles {
		if row.Role == r {
			return slices.Contains(row.May, right)
		}
	}
	return false
}

// Decides reports whether the role may vote on cases.
func (r Role) Decides() bool { return r.May(Decide) }

// valid refuses what is no role.
func (r Role) valid() error {
	var all []string
	for _, row := range Roles {
		if row.Role == r {
			return nil
		}
		all = append(all, string(row.Role))
	}
	return invalid("role", "The role is one of "+strings.Join(all, ", ")+".")
}

// RolesTable is [Roles] as a table of Markdown, for the manual.
func RolesTable() string {
	var b strings.Builder
	b.WriteString("| May |")
	for _, row := range Roles {
		fmt.Fprintf(&b, " `%s` |", row.Role)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Roles)) + "\n")
	for _, right := range Rights {
		fmt.Fprintf(&b, "| %s |", right.Means)
		for _, row := range Roles {
			mark := " "
			if row.Role.May(right.Right) {
				mark = " ✔ "
			}
			b.WriteString(mark + "|")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// allow refuses who may not: it looks at session and reviewer as they are now,
// not as they were when the page was asked for. Inside a transaction the answer
// holds until its end.
func (d *Desk) allow(ctx context.Context, q totp.Querier, s Session, right Right) error {
	var role Role
	var proved bool
	err := q.QueryRowContext(ctx, `SELECT r.role, s.factor_at > 0 FROM session s JOIN reviewer r ON r.id = s.reviewer_id
		WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND r.disabled_at IS NULL`, s.hash(), micros(time.Now())).Scan(&role, &proved)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return errSessionOver
	case err != nil:
		return fmt.Errorf("read session: %w", err)
	case right == anyLive:
		return nil
	case !proved:
		return errFactorOwed
	case !role.May(right):
		i := slices.IndexFunc(Rights, func(r struct {
			Right          Right
			Means, Refused string
		}) bool {
			return r.Right == right
		})
		return fail(Denied, Rights[i].Refused)
	}
	return nil
}

var (
	errSessionOver = fail(Denied, "Your session has ended. Sign in again.")
	errFactorOwed  = fail(Denied, "Give your second factor first.")
)
