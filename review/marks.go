package review

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/review/intent"
)

// A Piece is a stretch of a mail's words, marked for the reviewer or not.
type Piece struct {
	Text string
	Who  []int  // numbers of the users that it names, in [MailView.Named]
	Link string // where a link leads whose words say otherwise
}

// A NamedUser is a user whom the words of a mail name.
type NamedUser struct {
	Number      int
	ID, Login   string
	Name        string
	By          string // login, email or name
	AccountID   string
	Unambiguous bool // no place that names this user could mean another one
}

// shownText is how many bytes of a part are shown with marks.
const shownText = 12000

// markNames cuts the parts of a mail at the places that name users.
func markNames(ctx context.Context, tx *sql.Tx, v *MailView, places []intent.Place) error {
	parts := map[string]string{intent.InSubject: v.Subject, intent.InText: v.Text, intent.InForwarded: v.Forwarded, intent.InSender: v.ForwardedFrom}
	numbers := map[string]int{}
	spans := map[string][]mark{}
	for _, p := range places {
		text := parts[p.Part]
		if p.Start < 0 || p.End <= p.Start || p.End > min(len(text), shownText) || !utf8.RuneStart(text[p.Start]) || p.End < len(text) && !utf8.RuneStart(text[p.End]) {
			continue // read by an earlier version of the rules
		}
		if numbers[p.ID] == 0 {
			u := NamedUser{Number: len(numbers) + 1, ID: p.ID, By: p.Field, AccountID: p.Account, Unambiguous: true}
			err := tx.QueryRowContext(ctx, `SELECT login, full_name FROM panel_user WHERE id = $1`, p.ID).Scan(&u.Login, &u.Name)
			if err != nil {
				return fmt.Errorf("read named user: %w", err)
			}
			numbers[p.ID] = u.Number
			v.Named = append(v.Named, u)
		}
		spans[p.Part] = append(spans[p.Part], mark{start: p.Start, end: p.End, who: []int{numbers[p.ID]}})
	}
	links := linkMarks(v.Text, v.LinkMismatches)
	v.SubjectPieces = cut(v.Subject, spans[intent.InSubject], v.Named)
	v.TextPieces = cut(v.Text, append(spans[intent.InText], links...), v.Named)
	v.ForwardedPieces = cut(v.Forwarded, spans[intent.InForwarded], v.Named)
	v.ForwarderPieces = cut(v.ForwardedFrom, spans[intent.InSender], v.Named)
	return nil
}

type mark struct {
	start, end int
	who        []int
	link       string
}

// linkMarks finds the words of links that lead elsewhere, "shown -> real".
func linkMarks(text string, mismatches []string) (all []mark) {
	for _, m := range mismatches {
		shown, real, ok := strings.Cut(m, " -> ")
		if !ok || shown == "" {
			continue
		}
		for at := 0; len(all) < 100; {
			i := strings.Index(text[at:], shown)
			if i < 0 {
				break
			}
			all = append(all, mark{start: at + i, end: at + i + len(shown), link: real})
			at += i + len(shown)
		}
	}
	return all
}

// cut splits a text at its marks. Of marks that overlap the first, longest one
// counts; those of one place count together.
func cut(text string, marks []mark, named []NamedUser) (all []Piece) {
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	text = clip(text, shownText)
	at := 0
	for i, m := range marks {
		if i > 0 && m.start == marks[i-1].start && m.end == marks[i-1].end && len(all) > 0 && len(m.who) > 0 {
			last := &all[len(all)-1]
			last.Who = append(last.Who, m.who...)
			for _, n := range last.Who {
				named[n-1].Unambiguous = false
			}
			continue
		}
		if m.start < at || m.end > len(text) {
			continue
		}
		if m.start > at {
			all = append(all, Piece{Text: text[at:m.start]})
		}
		all = append(all, Piece{Text: text[m.start:m.end], Who: m.who, Link: m.link})
		at = m.end
	}
	if at < len(text) {
		all = append(all, Piece{Text: text[at:]})
	}
	return all
}
