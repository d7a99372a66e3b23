package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/resetdesk/resetdesk/review"
)

// accountsPage is how many accounts a page lists.
const accountsPage = 50

type accountList struct {
	Accounts []review.Account
	Query    string
	Next     string
}

func (s *site) showAccounts(w http.ResponseWriter, r *http.Request, who review.Session) error {
	q := r.URL.Query()
	p := accountList{Query: clip(200, q.Get("q"))}
	var err error
	p.Accounts, err = s.Desk.FindAccounts(r.Context(), who, p.Query, clip(200, q.Get("after")), accountsPage+1)
	if err != nil {
		return err
	}
	if len(p.Accounts) > accountsPage {
		p.Accounts = p.Accounts[:accountsPage]
		next := url.Values{"after": {p.Accounts[accountsPage-1].ID}}
		if p.Query != "" {
			next.Set("q", p.Query)
		}
		p.Next = "/accounts?" + next.Encode()
	}
	return s.render(w, r, http.StatusOK, "accounts", view{Title: "Accounts", Body: p})
}

// accountTabs are the lists of an account.
var accountTabs = []struct{ Key, Label string }{{"cases", "Cases"}, {"factors", "2FA events"}, {"addresses", "Addresses"}, {"letters", "Letters"}}

type accountPage struct {
	review.AccountHistory
	Tab  string
	Tabs []struct{ Key, Label string }
	Path string // of the account, for links
	May  struct{ Export, Erase, Decide, Thaw bool }
}

func (s *site) showAccount(w http.ResponseWriter, r *http.Request, who review.Session, id string) error {
	h, err := s.Desk.AccountHistory(r.Context(), who, id)
	if err != nil {
		return err
	}
	p := accountPage{AccountHistory: h, Tab: "cases", Tabs: accountTabs, Path: accountPath(h.Standing.ID)}
	for _, t := range accountTabs {
		if t.Key == r.URL.Query().Get("tab") {
			p.Tab = t.Key
		}
	}
	role := who.Reviewer.Role
	p.May.Export, p.May.Erase, p.May.Decide, p.May.Thaw = audits.allows(role), administers.allows(role), decides.allows(role), leads.allows(role)
	return s.render(w, r, http.StatusOK, "account", view{Title: h.Standing.Name, Body: p})
}

// An accountAct is the page before something is done to an account.
type accountAct struct {
	Standing review.AccountStanding
	Path     string
	Erase    bool
	Reason   string
	Refused  string
}

func (s *site) accountAct(r *http.Request, id string, erase bool) (accountAct, error) {
	a, err := s.Desk.AccountStanding(r.Context(), id)
	return accountAct{Standing: a, Path: accountPath(a.ID), Erase: erase}, err
}

func (s *site) showExportAccount(w http.ResponseWriter, r *http.Request, _ review.Session, id string) error {
	p, err := s.accountAct(r, id, false)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "accountact", view{Title: "Take out the data of " + p.Standing.Name, Body: p})
}

// exportAccount hands out all that is known of an account. It leaves an event.
func (s *site) exportAccount(w http.ResponseWriter, r *http.Request, who review.Session, id string) error {
	h, err := s.Desk.ExportAccount(r.Context(), who, id)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		return fmt.Errorf("export account: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	w.Write(text) // an error here is a reader who left
	return nil
}

func (s *site) showErase(w http.ResponseWriter, r *http.Request, _ review.Session, id string) error {
	p, err := s.accountAct(r, id, true)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "accountact", view{Title: "Erase mail bodies of " + p.Standing.Name, Body: p})
}

func (s *site) erase(w http.ResponseWriter, r *http.Request, who review.Session, id string) error {
	p, err := s.accountAct(r, id, true)
	if err != nil {
		return err
	}
	p.Reason = strings.TrimSpace(r.PostForm.Get("reason"))
	n, err := s.Desk.EraseMailBodies(r.Context(), who, p.Standing.ID, p.Reason)
	var refused *review.Error
	switch {
	case errors.As(err, &refused):
		p.Refused = refused.Message
		return s.render(w, r, statusOf(refused.Kind), "accountact", view{Title: "Erase mail bodies of " + p.Standing.Name, Body: p})
	case err != nil:
		return err
	}
	s.say(w, fmt.Sprintf("The bytes of %d mails are erased.", n))
	http.Redirect(w, r, p.Path, http.StatusSeeOther)
	return nil
}
