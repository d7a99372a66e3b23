package intent

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Account is an account that the writer's address stands for.
type Account struct {
	ID, Name string
	People   []Person
}

// Target is somebody whose second factor a mail asks to reset.
type Target struct{ Account, User string }

// Place is where a mail names a user. Start and end are bytes in that part.
type Place struct {
	Part    string `json:"part"`
	Account string `json:"account"`
	Mention
}

// Whom is what a mail says about who is meant. What it leaves open is for the
// owner or a reviewer to answer.
type Whom struct {
	Account string   // the account meant; "" when several are possible
	Targets []Target // the users meant, in the order of the mail; none when it names nobody or one place could be several people
	Places  []Place
}

// The parts of a mail that a [Place] can stand in.
const (
	InSubject   = "subject"
	InText      = "text"
	InForwarded = "forwarded"
	InSender    = "forwarded_from"
)

// AccountsNamed returns those of the accounts that the words name by id or by
// name, or all when they name none. The accounts need no people for this.
func (r Result) AccountsNamed(w Words, accounts []Account) []Account {
	if len(accounts) < 2 {
		return accounts
	}
	people := make([]Person, len(accounts))
	for i, a := range accounts {
		people[i] = Person{ID: a.ID, Login: a.ID, Name: a.Name}
	}
	named, them := map[string]bool{}, newRoster(people)
	texts := []string{w.Subject, w.Text}
	if r.Forwarded {
		texts = append(texts, w.Forwarded)
	}
	for _, text := range texts {
		for _, m := range them.mentions(text) {
			named[m.ID] = true
		}
	}
	if len(named) == 0 {
		return accounts
	}
	return slices.DeleteFunc(slices.Clone(accounts), func(a Account) bool { return !named[a.ID] })
}

// Whom finds who is meant among the people of the accounts, which
// [Result.AccountsNamed] has narrowed. It looks at whom the writer names; then at
// whom an endorsed forward names, or who wrote it; then at the writer, if the
// words are about the writer's own telephone or login. The address is the
// writer's: a writer who names somebody and also himself means the other one.
func (r Result) Whom(w Words, accounts []Account, address string) Whom {
	s := newSearch(accounts, address)
	s.look(InSubject, w.Subject)
	s.look(InText, w.Text)
	if r.Forwarded && len(s.others()) == 0 {
		s.look(InForwarded, w.Forwarded)
		if len(s.others()) == 0 {
			s.look(InSender, w.ForwardedFrom)
		}
	}
	found := Whom{Targets: s.others(), Places: s.places}
	if len(found.Targets) == 0 {
		found.Targets = s.named(func(t Target) bool { return slices.Contains(s.own, t) })
	}
	if len(found.Targets) == 0 && r.Request && r.Self && !r.Forwarded {
		found.Targets = s.own
	}
	found.settle(s.ambiguous(found.Targets), accounts)
	return found
}

// settle names the account, and leaves the users open when they are not clear.
func (f *Whom) settle(ambiguous bool, accounts []Account) {
	in := map[string]bool{}
	for _, t := range f.Targets {
		in[t.Account] = true
	}
	switch {
	case len(f.Targets) == 0 && len(accounts) == 1:
		f.Account = accounts[0].ID
	case len(in) == 1:
		f.Account = f.Targets[0].Account
	}
	if ambiguous {
		f.Targets = nil
	}
}

// search collects the places that name people.
type search struct {
	people *roster // of all accounts; the id is the index in users
	users  []Target
	own    []Target // the writer, in each account that has such a user
	places []Place
}

func newSearch(accounts []Account, address string) *search {
	s := &search{}
	var people []Person
	for _, a := range accounts {
		for _, p := range a.People {
			t := Target{a.ID, p.ID}
			if address != "" && strings.EqualFold(p.Email, address) {
				s.own = append(s.own, t)
			}
			p.ID = strconv.Itoa(len(s.users))
			people, s.users = append(people, p), append(s.users, t)
		}
	}
	s.people = newRoster(people)
	return s
}

// look reads one part of a mail.
func (s *search) look(part, text string) {
	mentions := s.people.mentions(text)
	var aside []span
	if len(mentions) > 0 && (part == InText || part == InForwarded) {
		aside = asides(clip(text))
	}
	var found []Place
	for _, m := range mentions {
		if within(aside, m) && !isMarked(text, m.Start, m.End, strings.ToLower(text[m.Start:m.End])) {
			continue
		}
		n, _ := strconv.Atoi(m.ID)
		m.ID = s.users[n].User
		found = append(found, Place{part, s.users[n].Account, m})
	}
	slices.SortStableFunc(found, func(a, b Place) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End)) })
	end := 0 // of the longest place so far: "Anna Berger" is nobody whose login is anna
	for _, p := range found {
		if p.End > end || p.End == end && p.Start == s.places[len(s.places)-1].Start {
			s.places, end = append(s.places, p), p.End
		}
	}
}

func within(spans []span, m Mention) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.start <= m.Start && m.End <= s.end })
}

// others are the people named, without the writer.
func (s *search) others() []Target {
	return s.named(func(t Target) bool { return !slices.Contains(s.own, t) })
}

// named returns those of the people named that which holds of, each once.
func (s *search) named(which func(Target) bool) []Target {
	var all []Target
	for _, p := range s.places {
		if t := (Target{p.Account, p.ID}); which(t) && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// ambiguous tells whether one place names two of the targets, or the targets are
// the writer in several accounts.
func (s *search) ambiguous(targets []Target) bool {
	if len(s.own) > 1 && slices.Equal(targets, s.own) {
		return true
	}
	for i, p := range s.places[:max(len(s.places)-1, 0)] {
		q := s.places[i+1]
		a, b := Target{p.Account, p.ID}, Target{q.Account, q.ID}
		if p.Part == q.Part && p.Start == q.Start && a != b && slices.Contains(targets, a) && slices.Contains(targets, b) {
			return true
		}
	}
	return false
}
