package main

import (
	"bytes"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/intent"
)

// accountBook finds accounts and users of an accounts file by lookups, so that a
// mail costs the same whatever the size of the file.
type accountBook struct {
	rows     map[string][]review.AccountRow // by account
	accounts map[string][]string            // registered address in lower case -> accounts
	locals   map[string][]string            // local part in lower case -> registered addresses
}

func newAccountBook(rows []review.AccountRow) *accountBook {
	b := &accountBook{rows: map[string][]review.AccountRow{}, accounts: map[string][]string{}, locals: map[string][]string{}}
	for _, r := range rows {
		b.rows[r.AccountID] = append(b.rows[r.AccountID], r)
		if r.Role != "admin" {
			continue
		}
		key := strings.ToLower(r.Email)
		if b.accounts[key] == nil {
			local, _, _ := strings.Cut(key, "@")
			b.locals[local] = append(b.locals[local], r.Email)
		}
		if !slices.Contains(b.accounts[key], r.AccountID) {
			b.accounts[key] = append(b.accounts[key], r.AccountID)
		}
	}
	return b
}

// registeredFor returns the registered addresses that a mail could be from or
// could imitate: those with the local part of any address in its header. An
// imitation changes the domain only (sender-verification 3.3).
func (b *accountBook) registeredFor(raw []byte) []string {
	header := raw
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(header, []byte(end)); i >= 0 {
			header = header[:i+len(end)]
		}
	}
	var found []string
	for _, c := range sender.Candidates(header) {
		local, _, _ := strings.Cut(c, "@")
		for _, a := range b.locals[strings.ToLower(local)] {
			if !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	return found
}

// resolve names the account and the users that a mail from a registered address
// means, as far as its words tell. What they leave open stays open.
func (b *accountBook) resolve(r *inspection, registered string, w intent.Words) {
	var accounts []intent.Account
	for _, id := range b.accounts[strings.ToLower(registered)] {
		accounts = append(accounts, intent.Account{ID: id, Name: b.rows[id][0].AccountName})
	}
	accounts = r.Intent.AccountsNamed(w, accounts)
	ids := make([]string, len(accounts))
	for i := range accounts {
		ids[i] = accounts[i].ID
		accounts[i].People = b.people(accounts[i].ID)
	}
	meant := r.Intent.Whom(w, accounts, registered)
	for _, t := range meant.Targets {
		r.Users = append(r.Users, t.User)
	}
	for _, p := range meant.Places {
		words := map[string]string{intent.InSubject: w.Subject, intent.InText: w.Text, intent.InForwarded: w.Forwarded, intent.InSender: w.ForwardedFrom}[p.Part]
		r.Mentions = append(r.Mentions, mention{User: p.ID, Field: p.Field, Text: words[p.Start:p.End], In: p.Part, Start: p.Start, End: p.End})
	}
	switch {
	case meant.Account != "":
		r.Account = &meant.Account
	case len(ids) > 1:
		r.Problems = append(r.Problems, "the address is registered for several accounts and the mail does not say which: "+strings.Join(ids, ", "))
	}
}

func (b *accountBook) people(account string) []intent.Person {
	rows := b.rows[account]
	people := make([]intent.Person, len(rows))
	for i, r := range rows {
		people[i] = intent.Person{ID: r.UserID, Login: r.Login, Email: r.Email, Name: r.FullName}
	}
	return people
}
