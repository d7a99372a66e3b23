package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// typed is what a person filled in. It survives a refusal, so that nobody writes
// a reason twice; the code alone does not.
type typed struct {
	Version                         int64
	Hash                            string
	Seen                            int64 // the newest event that was on the screen
	Account, Reason, Note, Class    string
	Until, Other                    string
	AccountID, UserID, code, number string
}

// An act is one decision about a case: a page of its own that names the act, its
// consequence and what it needs, with Cancel first (interface 3.2).
type act struct {
	Key         string
	Label       string // on the case page
	Title       string // names the act, never "are you sure"
	Consequence string
	Verb        string // on the button
	Danger      bool
	Fields      fields
	Row         string // the row of evidence that it answers, "" for a decision
	DNS         bool   // shows the records to publish
	OneClick    bool   // done by a button of the case page; the act's own page is for what it has to ask
	Classes     []review.Choice
	needs       access
	fits        func(review.CaseView) bool
	do          func(context.Context, review.Session, typed) (said string, err error)
	undo        func(typed) (act string, fields url.Values) // the act that takes it back; nil: nothing does
}

// takenBack is the note of what Undo did.
const takenBack = "Taken back at once, by Undo."

// fields says which inputs the act's form has.
type fields struct{ Account, Reason, Code, Note, NoteNeeded, Resolve, Until, UntilNeeded, Other, Voucher bool }

func (t typed) decision() review.Decision {
	return review.Decision{Number: t.number, Version: t.Version, Class: t.Class, Note: t.Note, Until: t.until(), Other: t.Other}
}

// until reads a time as the browser's field writes it, in UTC; zero if there is none.
func (t typed) until() time.Time {
	at, err := time.Parse("2006-01-02T15:04", strings.TrimSuffix(strings.TrimSpace(t.Until), "Z"))
	if err != nil {
		return time.Time{}
	}
	return at
}

func (t typed) approval() review.Approval {
	return review.Approval{Number: t.number, Version: t.Version, EvidenceHash: t.Hash,
		Account: t.Account, Reason: t.Reason, Code: t.code}
}

// said makes an act's method of one that says nothing itself.
func said(text string, f func(context.Context, review.Session, review.Decision) error) func(context.Context, review.Session, typed) (string, error) {
	return func(ctx context.Context, who review.Session, t typed) (string, error) {
		return text, f(ctx, who, t.decision())
	}
}

func stepUp(text string, f func(context.Context, review.Session, review.Approval) error) func(context.Context, review.Session, typed) (string, error) {
	return func(ctx context.Context, who review.Session, t typed) (string, error) {
		return text, f(ctx, who, t.approval())
	}
}

func undecided(v review.CaseView) bool { return !v.State.Closed() }

// approvable cases are open, resolved, and nothing forbids the reset: what has
// failed cannot become met by waiting.
func approvable(v review.CaseView) bool {
	return isOpen(v) && v.UserID != "" && !slices.ContainsFunc(v.Requirements, func(q review.Requirement) bool {
		return q.State == review.Failed || (q.Name == "evidence" && q.State == review.Unmet)
	})
}

func isOpen(v review.CaseView) bool { return v.State == review.StateOpen }

// acts are all decisions, in the order of the case page. fits only chooses which
// buttons are worth showing; whether an act is allowed is the desk's to say.
func (s *site) acts() []act {
	return append(append(s.votes(), s.evidenceActs()...), []act{
		{Key: "reject", Label: "Reject…", Title: "Reject this request", Verb: "Reject the request", Danger: true, needs: decides, fits: undecided,
			Consequence: "The case is closed and nothing is reset. The registered address gets a letter. It never says which check was not enough: that stays among colleagues. The last three reasons choose words of their own.",
			Classes:     review.RejectClasses, Fields: fields{Note: true},
			do: said("The request was rejected; the letter is on its way.", s.Desk.Reject)},
		{Key: "ask", Label: "Ask the owner again", Title: "Send the confirm link again", Verb: "Send the link", needs: decides, fits: isOpen,
			Consequence: "The registered address gets a fresh confirm link. Nothing else changes.",
			do:          said("The link is on its way.", s.Desk.Ask)},
		{Key: "hold", Label: "Hold…", Title: "Put this case on hold", Verb: "Hold the case", needs: decides, fits: isOpen,
			Consequence: "Nothing can be cleared until a person resumes the case. Votes stay as they are, until they expire. With a time the case comes back to your attention then; it never goes on by itself.",
			Fields:      fields{Note: true, NoteNeeded: true, Until: true},
			do:          said("The case is on hold.", s.Desk.Hold),
			undo: func(t typed) (string, url.Values) { // a hold is one version on: if more happened, Undo shows it first
				return "resume", url.Values{"version": {strconv.FormatInt(t.Version+1, 10)}, "note": {takenBack}}
			}},
		{Key: "resume", Label: "Resume…", Title: "Resume this case", Verb: "Resume the case", needs: decides,
			fits:        func(v review.CaseView) bool { return v.State == review.StateHeld },
			Consequence: "The case is open again. What made it stop is written in the timeline; say why it no longer stands in the way.",
			Fields:      fields{Note: true, NoteNeeded: true},
			do:          said("The case is open again.", s.Desk.ResumeCase)},
		{Key: "close", Label: "Close without a decision…", Title: "Close this case without a decision", Verb: "Close the case", needs: decides, fits: undecided,
			Consequence: "The case is closed and nothing is reset.",
			Classes:     []review.Choice{{Key: "not_a_request", Title: "This is not a request"}, {Key: "duplicate", Title: "Duplicate of another case"}, {Key: "withdrawn", Title: "Withdrawn by the requester"}},
			Fields:      fields{Note: true, Other: true},
			do:          said("The case is closed.", s.Desk.CloseCase)},
		{Key: "claim", Label: "Claim", Title: "Take this case over", Verb: "Take it over", needs: decides, OneClick: true, fits: undecided,
			Consequence: "Your name stands on the case, so that nobody does the work twice. It ends by itself 15 minutes after your last act.",
			Fields:      fields{Note: true},
			do: func(ctx context.Context, who review.Session, t typed) (string, error) {
				return "You claimed this case. The claim ends by itself 15 minutes after your last act.", s.Desk.ClaimCase(ctx, who, t.number, t.Note)
			},
			undo: func(typed) (string, url.Values) { return "release", nil }},
		{Key: "release", Label: "Release", Title: "Release this case", Verb: "Release it", needs: decides, OneClick: true,
			fits:        func(v review.CaseView) bool { return undecided(v) && v.Claim.Live() },
			Consequence: "Anybody may work on the case.",
			do: func(ctx context.Context, who review.Session, t typed) (string, error) {
				return "The case is released: anybody may take it.", s.Desk.ReleaseCase(ctx, who, t.number)
			},
			undo: func(typed) (string, url.Values) { return "claim", nil }},
		{Key: "freeze", Label: "Freeze the account…", Title: "Freeze all resets of this account", Verb: "Freeze the account", Danger: true, needs: decides,
			fits:        func(v review.CaseView) bool { return v.AccountID != "" },
			Consequence: "No user of the account is reset until that time. Requests still come in and can be looked at. A lead or an admin can lift it.",
			Fields:      fields{Note: true, NoteNeeded: true, Until: true, UntilNeeded: true},
			do: func(ctx context.Context, who review.Session, t typed) (string, error) {
				return "The resets of the account are frozen.", s.Desk.FreezeAccount(ctx, who, review.Freeze{
					Number: t.number, Version: t.Version, Until: t.until(), Reason: t.Note})
			}},
		{Key: "resolve", Label: "Choose account and user…", Title: "Choose whom this case is about", Verb: "Use this choice", needs: decides,
			fits:        func(v review.CaseView) bool { return undecided(v) && v.UserID == "" },
			Consequence: "The choice is final for this case. If it was wrong, reject the case and start again.",
			Fields:      fields{Resolve: true},
			do: func(ctx context.Context, who review.Session, t typed) (string, error) {
				return "The choice is recorded.", s.Desk.Resolve(ctx, who, review.Resolution{
					Number: t.number, Version: t.Version, AccountID: t.AccountID, UserID: t.UserID})
			}},
	}...)
}

// votes are the acts that need a fresh second factor.
func (s *site) votes() []act {
	proof := fields{Account: true, Reason: true, Code: true}
	return []act{
		{Key: "approve", Label: "Approve…", Danger: true, Fields: proof, needs: decides, fits: approvable,
			do: func(ctx context.Context, who review.Session, t typed) (string, error) {
				out, err := s.Desk.Approve(ctx, who, t.approval())
				return out.Message, err
			}},
		{Key: "pass", Label: "Send a new enrollment pass…", Title: "Send a new enrollment pass", Verb: "Send a new pass", Danger: true, Fields: proof, needs: decides,
			fits:        func(v review.CaseView) bool { return v.State == review.StateCleared && !v.Enrolled && !v.Frozen },
			Consequence: "The pass that was mailed before stops working. A new one goes to the user's own registered address.",
			do:          stepUp("A new pass is on its way.", s.Desk.ReissuePass)},
		{Key: "unfreeze", Label: "Unfreeze the user…", Title: "Unfreeze the user", Verb: "Unfreeze", Danger: true, Fields: proof, needs: leads,
			fits:        func(v review.CaseView) bool { return v.Frozen },
			Consequence: "The user can sign in with the second factor again that the owner put back.",
			do:          stepUp("The user is no longer frozen.", s.Desk.Unfreeze)},
		{Key: "thaw", Label: "Lift the freeze of the account…", Title: "Lift the freeze of the account", Verb: "Lift the freeze", Danger: true, Fields: proof, needs: leads,
			fits:        func(v review.CaseView) bool { return v.FrozenUntil.After(time.Now()) },
			Consequence: "Resets of the account go on: cases that lack nothing else are cleared at once.",
			do:          stepUp("The account is no longer frozen.", s.Desk.ThawAccount)},
	}
}

// showAct shows the page of an act. It changes nothing.
func (s *site) showAct(a act) page {
	return func(w http.ResponseWriter, r *http.Request, who review.Session) error {
		v, err := s.Desk.Case(r.Context(), who, r.PathValue("number"))
		if err != nil {
			return err
		}
		t := typed{Version: v.Version, Hash: v.EvidenceHash, Seen: newest(v)}
		return s.renderAct(w, r, http.StatusOK, actPage{Case: v, Act: a, Typed: t})
	}
}

// doAct does the act and goes back to the case. A refusal that the person can
// mend shows the form again with everything typed, over the case as it is now.
func (s *site) doAct(a act) page {
	return func(w http.ResponseWriter, r *http.Request, who review.Session) error {
		t := readTyped(r)
		text, err := a.do(r.Context(), who, t)
		if err == nil {
			if a.undo == nil {
				s.say(w, text)
			} else {
				back, fields := a.undo(t)
				s.sayUndo(w, text, "/cases/"+t.number+"/"+back, fields)
			}
			http.Redirect(w, r, "/cases/"+t.number, http.StatusSeeOther)
			return nil
		}
		var refused *review.Error
		if !errors.As(err, &refused) || refused.Kind == review.NotFound {
			return err
		}
		v, err := s.Desk.Case(r.Context(), who, t.number)
		if err != nil {
			return err
		}
		p := actPage{Case: v, Act: a, Typed: t, Refused: refused, Stale: refused.Kind == review.Stale}
		if p.Stale { // the page below shows the case as it is now, so the form may vouch for it
			p.Changes = since(v, t.Seen)
			p.Typed.Version, p.Typed.Hash, p.Typed.Seen = v.Version, v.EvidenceHash, newest(v)
		}
		return s.renderAct(w, r, statusOf(refused.Kind), p)
	}
}

func readTyped(r *http.Request) typed {
	f := r.PostForm
	version, _ := strconv.ParseInt(f.Get("version"), 10, 64) // 0 is a version no case has
	seen, _ := strconv.ParseInt(f.Get("seen"), 10, 64)
	var account, user string
	switch kind, id, _ := strings.Cut(f.Get("choice"), ":"); kind {
	case "account":
		account = id
	case "user":
		user = id
	}
	return typed{
		Version: version, Hash: f.Get("evidence"), Seen: seen,
		Until: f.Get("until"), Other: strings.TrimSpace(f.Get("other")),
		Account: strings.TrimSpace(f.Get("account")), Reason: f.Get("reason"), Note: f.Get("note"), Class: f.Get("class"),
		AccountID: account, UserID: user,
		code: f.Get("code"), number: r.PathValue("number"),
	}
}

func newest(v review.CaseView) int64 {
	var seq int64
	for _, e := range v.Timeline {
		seq = max(seq, e.Seq)
	}
	return seq
}

func since(v review.CaseView, seen int64) []review.Event {
	var out []review.Event
	for _, e := range v.Timeline {
		if e.Seq > seen {
			out = append(out, e)
		}
	}
	return out
}

// An actPage is one act on one case.
type actPage struct {
	Case    review.CaseView
	Act     act
	Typed   typed
	Refused *review.Error
	Stale   bool
	Changes []review.Event // what happened since the page was loaded
}

// Fits reports whether the act still makes sense in the state of the case.
func (p actPage) Fits() bool { return p.Act.fits(p.Case) }

// Wrong returns the refusal's sentence if it is about this field.
func (p actPage) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

func (s *site) renderAct(w http.ResponseWriter, r *http.Request, status int, p actPage) error {
	if p.Act.Key == "approve" {
		p.Act = voteWords(p.Act, p.Case)
	}
	return s.render(w, r, status, "act", view{Title: p.Act.Title + " · " + p.Case.Number, Body: p})
}
