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
// means, as far as its own words tell. What they leave open stays open.
func (b *accountBook) resolve(r *inspection, registered, words string) {
	accounts := b.accounts[strings.ToLower(registered)]
	if named := b.named(accounts, words); len(named) > 0 {
		accounts = named
	}
	var of []string // the accounts in which somebody is named
	for _, id := range accounts {
		mentions := intent.Mentions(words, b.people(id))
		users := b.users(id, mentions, registered)
		if len(users) > 0 {
			of = append(of, id)
			r.Users = append(r.Users, users...)
		}
		for _, m := range mentions {
			r.Mentions = append(r.Mentions, mention{User: m.ID, Field: m.Field, Text: words[m.Start:m.End]})
		}
	}
	if len(of) == 1 {
		accounts = of
	}
	switch len(accounts) {
	case 0:
	case 1:
		r.Account = &accounts[0]
	default:
		r.Problems = append(r.Problems, "the address is registered for several accounts and the mail does not say which: "+strings.Join(accounts, ", "))
	}
}

// named returns those of the accounts whose id or name the words contain.
func (b *accountBook) named(accounts []string, words string) []string {
	var found []string
	for _, id := range accounts {
		name := b.rows[id][0].AccountName
		if len(intent.Mentions(words, []intent.Person{{ID: id, Login: id, Name: name}})) > 0 {
			found = append(found, id)
		}
	}
	return found
}

func (b *accountBook) people(account string) []intent.Person {
	rows := b.rows[account]
	people := make([]intent.Person, len(rows))
	for i, r := range rows {
		people[i] = intent.Person{ID: r.UserID, Login: r.Login, Email: r.Email, Name: r.FullName}
	}
	return people
}

// users returns who is meant, each once. Somebody who names another and also
// himself, as below a letter, means the other.
func (b *accountBook) users(account string, mentions []intent.Mention, registered string) []string {
	own := map[string]bool{}
	for _, r := range b.rows[account] {
		own[r.UserID] = strings.EqualFold(r.Email, registered)
	}
	var others, self []string
	for _, m := range mentions {
		to := &others
		if own[m.ID] {
			to = &self
		}
		if !slices.Contains(*to, m.ID) {
			*to = append(*to, m.ID)
		}
	}
	if len(others) > 0 {
		return others
	}
	return self
}
