package ui

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/resetdesk/resetdesk/review"
)

// A staffAct is one change of a reviewer: a page of its own that names the act and
// its consequence, and asks for the admin's own second factor. %s in Title is the
// person's name, in Said the address.
type staffAct struct {
	Key, Label, Title, Consequence, Verb, Said string
	Danger, Invite, Role, Reason               bool
	fits                                       func(p review.Person, me int64) bool
	do                                         func(context.Context, review.Session, int64, staffForm) error
}

// staffForm is what an admin filled in; it survives a refusal, the code does not.
type staffForm struct {
	Email, Name, Reason string
	Role                review.Role
	code                string
}

func (f staffForm) change(id int64) review.Change {
	return review.Change{Reviewer: id, Code: f.code, Reason: f.Reason}
}

// mailedInvitation is said when an invitation is in the outbox.
const mailedInvitation = "An invitation was mailed to %s; it is valid for 72 hours."

func active(p review.Person, _ int64) bool { return p.Disabled.IsZero() }

// staffActs are all changes of a reviewer. fits only chooses which buttons are
// worth showing; whether a change is allowed is the desk's to say.
func (s *site) staffActs() []staffAct {
	return []staffAct{
		{Key: "role", Label: "Change the role…", Title: "Change the role of %s", Verb: "Change the role", Said: "The role is changed.", Role: true,
			Consequence: "It holds from the next page on that the person opens.", fits: active,
			do: func(ctx context.Context, who review.Session, id int64, f staffForm) error {
				return s.Desk.SetRole(ctx, who, f.change(id), f.Role)
			}},
		{Key: "invite", Label: "Send again…", Title: "Send %s a new invitation", Verb: "Send again", Said: mailedInvitation, fits: func(p review.Person, _ int64) bool { return active(p, 0) && !p.Joined() },
			Consequence: "A new link goes to the address of the person. The link from before stops working.",
			do: func(ctx context.Context, who review.Session, id int64, f staffForm) error {
				p, err := s.Desk.Person(ctx, who, id)
				if err != nil {
					return err
				}
				return s.Desk.Welcome(ctx, who, f.code, p.Email, p.Name, p.Role)
			}},
		{Key: "reset", Label: "Reset the second factor…", Title: "Reset the second factor of %s", Verb: "Ask for the reset", Said: "Asked. A second admin has to confirm it within a day.", Danger: true, Reason: true,
			Consequence: "Nothing happens until a second admin confirms it. All admins and the reviewer are told by mail.",
			fits: func(p review.Person, me int64) bool {
				return active(p, 0) && p.Enrolled && p.Reset == nil && p.ID != me
			},
			do: func(ctx context.Context, who review.Session, id int64, f staffForm) error {
				return s.Desk.AskReset(ctx, who, f.change(id))
			}},
		{Key: "confirm", Label: "Confirm the reset…", Title: "Confirm the reset of the second factor of %s", Verb: "Reset the second factor", Said: mailedInvitation, Danger: true,
			Consequence: "Password, authenticator, backup codes and passkeys stop working at once, and all sessions end. The person is mailed a link to set them up anew.",
			fits:        func(p review.Person, me int64) bool { return p.Reset != nil && p.Reset.By.ID != me && p.ID != me },
			do: func(ctx context.Context, who review.Session, id int64, f staffForm) error {
				return s.Desk.ConfirmReset(ctx, who, f.change(id))
			}},
		{Key: "disable", Label: "Disable…", Title: "Disable %s", Verb: "Disable", Said: "The reviewer is disabled and all sessions have ended.", Danger: true, fits: active,
			Consequence: "All sessions end at once, and the person cannot sign in any more. Votes on open cases count no more; all stay on record.",
			do: func(ctx context.Context, who review.Session, id int64, f staffForm) error {
				return s.Desk.Disable(ctx, who, f.change(id))
			}},
		{Key: "enable", Label: "Enable…", Title: "Enable %s again", Verb: "Enable", Said: "The reviewer may sign in again.",
			Consequence: "The person signs in as before, with the same password and second factor.",
			fits:        func(p review.Person, _ int64) bool { return !p.Disabled.IsZero() },
			do: func(ctx context.Context, who review.Session, id int64, f staffForm) error {
				return s.Desk.Enable(ctx, who, f.change(id))
			}},
	}
}

// inviteAct is the one without a reviewer.
func (s *site) inviteAct() staffAct {
	return staffAct{Key: "new", Title: "Invite a reviewer", Verb: "Send the invitation", Said: mailedInvitation, Invite: true, Role: true,
		Consequence: "The person is mailed a link, good for 72 hours and one use, with which to set a password and a second factor. Nobody else sees it.",
		do: func(ctx context.Context, who review.Session, _ int64, f staffForm) error {
			return s.Desk.Welcome(ctx, who, f.code, f.Email, f.Name, f.Role)
		}}
}

func (s *site) staffRoutes() []route {
	const one = "/settings/reviewers/{id}"
	table := []route{
		{"GET", "/settings/reviewers", oversees, s.showPeople},
		{"GET", "/settings/reviewers/new", administers, s.showStaffAct(s.inviteAct())},
		{"POST", "/settings/reviewers/new", administers, s.doStaffAct(s.inviteAct())},
		{"GET", one, oversees, s.showPerson},
		{"POST", one + "/stop", administers, s.stopReset},
		{"POST", one + "/sessions/end", administers, s.endSessions},
		{"POST", one + "/sessions/{session}/end", administers, s.endSession},
	}
	for _, a := range s.staffActs() {
		table = append(table, route{"GET", one + "/" + a.Key, administers, s.showStaffAct(a)}, route{"POST", one + "/" + a.Key, administers, s.doStaffAct(a)})
	}
	return table
}

// A staffPage is the list of reviewers, one of them, or the form of an act.
type staffPage struct {
	People  []review.Person
	Person  review.Person
	Acts    []staffAct
	Act     staffAct
	May     bool // an admin looks
	Typed   staffForm
	Refused *review.Error
}

// Wrong returns the refusal's sentence if it is about this field.
func (p staffPage) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

// Own lists the sessions of the reviewer.
func (p staffPage) Own() sessionList {
	return sessionList{p.Person.Sessions, fmt.Sprintf("/settings/reviewers/%d/sessions", p.Person.ID), p.May}
}

// Back is where Cancel leads.
func (p staffPage) Back() string {
	if p.Person.ID == 0 {
		return "/settings/reviewers"
	}
	return fmt.Sprintf("/settings/reviewers/%d", p.Person.ID)
}

// Title names the act and the person.
func (p staffPage) Title() string { return strings.ReplaceAll(p.Act.Title, "%s", p.Person.Name) }

// Consequence is that of the act.
func (p staffPage) Consequence() string { return p.Act.Consequence }

func (s *site) showPeople(w http.ResponseWriter, r *http.Request, who review.Session) error {
	people, err := s.Desk.People(r.Context(), who)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "staff", view{Title: "Reviewers", Body: staffPage{People: people, May: who.Reviewer.Role.May(review.Administer)}})
}

// person reads the reviewer that the path names.
func (s *site) person(r *http.Request, who review.Session) (review.Person, error) {
	if r.PathValue("id") == "" {
		return review.Person{}, nil
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return review.Person{}, errNoPage
	}
	return s.Desk.Person(r.Context(), who, id)
}

func (s *site) showPerson(w http.ResponseWriter, r *http.Request, who review.Session) error {
	p, err := s.person(r, who)
	if err != nil {
		return err
	}
	page := staffPage{Person: p, May: who.Reviewer.Role.May(review.Administer)}
	for _, a := range s.staffActs() {
		if page.May && a.fits(p, who.Reviewer.ID) {
			page.Acts = append(page.Acts, a)
		}
	}
	return s.render(w, r, http.StatusOK, "staff", view{Title: p.Name, Body: page})
}

func (s *site) showStaffAct(a staffAct) page {
	return func(w http.ResponseWriter, r *http.Request, who review.Session) error {
		p, err := s.person(r, who)
		if err != nil {
			return err
		}
		return s.renderStaffAct(w, r, http.StatusOK, staffPage{Person: p, Act: a, Typed: staffForm{Role: p.Role}})
	}
}

func (s *site) renderStaffAct(w http.ResponseWriter, r *http.Request, status int, p staffPage) error {
	return s.render(w, r, status, "staff", view{Title: p.Title(), Body: p})
}

// doStaffAct does the act. The link of an invitation goes out by mail alone: an
// admin who saw it could come in as a second person.
func (s *site) doStaffAct(a staffAct) page {
	return func(w http.ResponseWriter, r *http.Request, who review.Session) error {
		p, err := s.person(r, who)
		if err != nil {
			return err
		}
		f := staffForm{Email: strings.TrimSpace(r.PostForm.Get("email")), Name: strings.TrimSpace(r.PostForm.Get("name")), Reason: r.PostForm.Get("reason"),
			Role: review.Role(r.PostForm.Get("role")), code: r.PostForm.Get("code")}
		page := staffPage{Person: p, Act: a, Typed: f}
		if err := a.do(r.Context(), who, p.ID, f); err != nil {
			return refusedForm(w, err, func(status int, refused *review.Error) error {
				page.Refused = refused
				return s.renderStaffAct(w, r, status, page)
			})
		}
		address := p.Email
		if p.ID == 0 {
			address = strings.ToLower(f.Email)
		}
		return s.back(w, r, page.Back(), strings.ReplaceAll(a.Said, "%s", visible(address)))
	}
}

func (s *site) stopReset(w http.ResponseWriter, r *http.Request, who review.Session) error {
	p, err := s.person(r, who)
	if err != nil {
		return err
	}
	if err := s.Desk.StopReset(r.Context(), who, p.ID); err != nil {
		return err
	}
	return s.back(w, r, staffPage{Person: p}.Back(), "The reset is stopped.")
}

func (s *site) endSession(w http.ResponseWriter, r *http.Request, who review.Session) error {
	p, err := s.person(r, who)
	if err != nil {
		return err
	}
	if err := s.Desk.EndSession(r.Context(), who, p.ID, r.PathValue("session")); err != nil {
		return err
	}
	return s.back(w, r, staffPage{Person: p}.Back(), "The session has ended.")
}

func (s *site) endSessions(w http.ResponseWriter, r *http.Request, who review.Session) error {
	p, err := s.person(r, who)
	if err != nil {
		return err
	}
	if err := s.Desk.EndSessions(r.Context(), who, p.ID); err != nil {
		return err
	}
	return s.back(w, r, staffPage{Person: p}.Back(), "The sessions have ended.")
}

// means is what a role does, in a word.
func means(role review.Role) string {
	for _, row := range review.Roles {
		if row.Role == role {
			return row.Means
		}
	}
	return ""
}

// via says how a session began.
func via(how string) string {
	return map[string]string{"password": "password and code", "passkey": "passkey", "sso": "single sign-on"}[how]
}

// agent names browser and system of a User-Agent for people, as far as they tell.
func agent(text string) string {
	pick := func(names ...string) string {
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(text, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	browser := pick("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari")
	system := pick("Windows", "Windows", "Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Mac OS", "macOS", "Linux", "Linux")
	switch {
	case browser == "":
		return visible(clip(60, text))
	case system == "":
		return browser
	}
	return browser + " on " + system
}
