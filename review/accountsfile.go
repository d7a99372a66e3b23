package review

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// AccountRow is one line of the accounts file: a user, with the account it
// belongs to (design 6).
type AccountRow struct {
	AccountID   string
	AccountName string
	Locale      string // a language tag such as "de" or "de-AT", "" for the default
	UserID      string
	Login       string
	Email       string   // "" only for a user that is APIOnly
	Role        string   // "admin" or "user"; the e-mails of an account's admins are its registered addresses
	APIOnly     bool     // never asked for a second factor
	Notify      []string // further addresses of the account that get its notices
	FullName    string   // "" when the file has none
	// RequiredFrom is an [AccountPolicy] in words; "" leaves it as it is. The CSV
	// file has no column for it.
	RequiredFrom string
	// Domains are those that the account holds; nil leaves them as they are.
	Domains []string
}

// accountColumns are the columns in their order; the last three are optional.
var accountColumns = []string{"account_id", "account_name", "locale", "user_id", "login", "email", "role", "api_only", "notify", "full_name", "domains"}

const (
	requiredColumns  = 8
	maxAccountsFile  = 256 << 20 // bytes
	maxAccountErrors = 100       // reported one by one
	maxNotify        = 20        // addresses in one row
)

// ReadAccounts reads an accounts file: UTF-8 CSV (RFC 4180) with a header row
// that names the columns of design 6 in their order. It is strict, because the
// addresses in it decide who may ask for a reset: one bad line refuses the file.
// The error names every bad line (the first hundred) with its number and the
// reason. No row is returned with an error.
func ReadAccounts(r io.Reader) ([]AccountRow, error) {
	limited := &io.LimitedReader{R: r, N: maxAccountsFile + 1}
	a := newAccountsFile()
	a.reader = csv.NewReader(limited)
	a.reader.FieldsPerRecord = -1
	a.reader.ReuseRecord = true
	if err := a.header(); err != nil {
		return nil, err
	}
	for {
		fields, err := a.reader.Read()
		if err == io.EOF {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			// Behind a broken quotation mark lines can no longer be told apart.
			a.complain(bad.Line, "%v", bad.Err)
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read accounts: %w", err)
		}
		a.row(fields)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("read accounts: the file is larger than %d MiB", maxAccountsFile>>20)
	}
	return a.finish()
}

// accountsFile is the state of one reading.
type accountsFile struct {
	reader     *csv.Reader
	columns    int
	rows       []AccountRow
	users      map[string]int // user id -> line
	accounts   map[string]seenAccount
	registered map[string]seenAddress // lower case -> as written
	problems   AccountsError
}

func newAccountsFile() *accountsFile {
	return &accountsFile{users: map[string]int{}, accounts: map[string]seenAccount{}, registered: map[string]seenAddress{}}
}

// An AccountsError lists everything that is wrong with a list of accounts.
type AccountsError struct {
	Lines []LineError
	More  int // beyond the first hundred
}

// A LineError is one fault: of a line of a file, or of a user of an account, both
// counted from 1.
type LineError struct {
	Line int    `json:"line"`
	Text string `json:"detail"`
}

// Error is one line a fault.
func (e *AccountsError) Error() string {
	var b strings.Builder
	for i, l := range e.Lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "line %d: %s", l.Line, l.Text)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.More)
	}
	return b.String()
}

type seenAccount struct {
	line         int
	name, locale string
	admin        bool
}

type seenAddress struct {
	line    int
	written string
}

func (a *accountsFile) complain(line int, format string, args ...any) {
	if len(a.problems.Lines) == maxAccountErrors {
		a.problems.More++
		return
	}
	a.problems.Lines = append(a.problems.Lines, LineError{line, fmt.Sprintf(format, args...)})
}

// header reads the first line. A wrong one is a fault of line 1, and the only one.
func (a *accountsFile) header() error {
	fault := func(format string, args ...any) error {
		return &AccountsError{Lines: []LineError{{1, fmt.Sprintf(format, args...)}}}
	}
	want := strings.Join(accountColumns[:requiredColumns], ",")
	fields, err := a.reader.Read()
	var bad *csv.ParseError
	switch {
	case err == io.EOF:
		return fault("the file is empty; the first line must be %s", want)
	case errors.As(err, &bad):
		return fault("%v", bad.Err)
	case err != nil:
		return fmt.Errorf("read accounts: %w", err)
	}
	fields = slices.Clone(fields)
	fields[0] = strings.TrimPrefix(fields[0], "\ufeff")
	if len(fields) == 1 && strings.Contains(fields[0], ";") {
		return fault("the columns are separated by semicolons; save the file with commas")
	}
	if len(fields) < requiredColumns || len(fields) > len(accountColumns) {
		return fault("%d columns, separated by commas in UTF-8; the first line must be %s (then optionally notify, full_name, domains)", len(fields), want)
	}
	for i, f := range fields {
		if f != accountColumns[i] {
			return fault("column %d is %q, want %q", i+1, clip(f, 80), accountColumns[i])
		}
	}
	a.columns = len(fields)
	return nil
}

// row checks one line and keeps it. Every fault of the line is reported.
func (a *accountsFile) row(fields []string) {
	line, _ := a.reader.FieldPos(0)
	if len(fields) != a.columns {
		a.complain(line, "%d columns, want %d", len(fields), a.columns)
		return
	}
	if !a.plain(line, fields) {
		return
	}
	r := AccountRow{
		AccountID: fields[0], AccountName: fields[1], Locale: fields[2], UserID: fields[3],
		Login: fields[4], Email: fields[5], Role: fields[6],
	}
	switch fields[7] {
	case "true", "yes", "1":
		r.APIOnly = true
	case "false", "no", "0", "":
	default:
		a.complain(line, "api_only is %q, want true or false", fields[7])
	}
	if a.columns > 8 {
		r.Notify = strings.Split(fields[8], ";")
	}
	if a.columns > 9 {
		r.FullName = fields[9]
	}
	if a.columns > 10 {
		r.Domains = append([]string{}, strings.Split(fields[10], ";")...)
	}
	a.add(line, r)
}

// plain complains about the first field, in the order of the columns, that is no
// plain text.
func (a *accountsFile) plain(line int, fields []string) bool {
	for i, f := range fields {
		if problem := plainText(f); problem != "" {
			a.complain(line, "%s %s", accountColumns[i], problem)
			return false
		}
	}
	return true
}

// add checks a row, from a file or from the API, and keeps it.
func (a *accountsFile) add(line int, r AccountRow) {
	r.Notify = a.notify(line, r.Notify)
	r.Domains = a.domains(line, r.Domains)
	a.identity(line, r)
	a.address(line, r)
	a.account(line, r)
	a.rows = append(a.rows, r)
}

func (a *accountsFile) identity(line int, r AccountRow) {
	for _, f := range []struct{ column, value string }{{"account_id", r.AccountID}, {"user_id", r.UserID}, {"login", r.Login}} {
		if f.value == "" {
			a.complain(line, "%s is empty", f.column)
		} else if strings.ContainsFunc(f.value, unicode.IsSpace) {
			a.complain(line, "%s %q contains a space", f.column, f.value)
		}
	}
	if len(r.UserID) >= 6 && strings.EqualFold(r.UserID[:6], "staff:") {
		a.complain(line, `user_id %q begins with "staff:", which is reserved for the reviewers' own factors`, r.UserID)
	}
	if before, ok := a.users[r.UserID]; ok && r.UserID != "" {
		a.complain(line, "user_id %q stands on line %d already", r.UserID, before)
	}
	a.users[r.UserID] = line
	if r.Role != "admin" && r.Role != "user" {
		a.complain(line, "role is %q, want admin or user", r.Role)
	}
	if _, err := ParseAccountPolicy(r.RequiredFrom); err != nil && r.RequiredFrom != "" {
		a.complain(line, "required_from is %q, want a day such as 2027-01-31, never or default", r.RequiredFrom)
	}
	if !languageTag(r.Locale) {
		a.complain(line, "locale is %q, want a language tag such as en or de-AT", r.Locale)
	}
}

func (a *accountsFile) address(line int, r AccountRow) {
	if r.Email == "" {
		if r.Role == "admin" || !r.APIOnly {
			a.complain(line, "email is empty; only an api_only user can be without one")
		}
		return
	}
	if r.Role != "admin" {
		if _, _, err := sender.ParseAddrSpec(r.Email); err != nil {
			a.complain(line, "email %q: %v", r.Email, err)
		}
		return
	}
	if err := sender.Enrollable(r.Email); err != nil {
		a.complain(line, "email %q cannot be a registered address: %v", r.Email, err)
		return
	}
	// Two addresses that differ in letter case alone cannot both be registered:
	// a mail from either could stand for both (sender-verification 3.3).
	key := strings.ToLower(r.Email)
	if s, ok := a.registered[key]; ok && s.written != r.Email {
		a.complain(line, "email %q differs from %q on line %d in letter case only; write it the same way", r.Email, s.written, s.line)
		return
	}
	a.registered[key] = seenAddress{line, r.Email}
}

func (a *accountsFile) account(line int, r AccountRow) {
	s, ok := a.accounts[r.AccountID]
	if !ok {
		s = seenAccount{line: line, name: r.AccountName, locale: r.Locale}
	}
	if s.name != r.AccountName {
		a.complain(line, "account_name is %q, but %q on line %d for the same account %s", r.AccountName, s.name, s.line, r.AccountID)
	}
	if s.locale != r.Locale {
		a.complain(line, "locale is %q, but %q on line %d for the same account %s", r.Locale, s.locale, s.line, r.AccountID)
	}
	s.admin = s.admin || r.Role == "admin"
	a.accounts[r.AccountID] = s
}

// finish checks what only the whole list shows, an account nobody could write for,
// and returns the rows or everything that is wrong.
func (a *accountsFile) finish() ([]AccountRow, error) {
	var orphans []string
	for id, s := range a.accounts {
		if !s.admin {
			orphans = append(orphans, id)
		}
	}
	slices.SortFunc(orphans, func(x, y string) int { return a.accounts[x].line - a.accounts[y].line })
	for _, id := range orphans {
		a.complain(a.accounts[id].line, "account %s has no user with role admin, so nobody could ask for a reset", id)
	}
	if len(a.problems.Lines) > 0 {
		return nil, &a.problems
	}
	return a.rows, nil
}

func (a *accountsFile) notify(line int, addresses []string) []string {
	var all []string
	for _, addr := range addresses {
		if addr = strings.TrimSpace(addr); addr == "" {
			continue
		}
		if _, _, err := sender.ParseAddrSpec(addr); err != nil {
			a.complain(line, "notify %q: %v", addr, err)
			continue
		}
		all = append(all, addr)
	}
	if len(all) > maxNotify {
		a.complain(line, "notify has %d addresses, want at most %d", len(all), maxNotify)
	}
	return all
}

// plainText says what is wrong with a field: it must be short, valid UTF-8 on
// one line, without spaces around it.
func plainText(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case len(s) > 2000:
		return "is longer than 2000 bytes"
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Sprintf("%q contains a control character", s)
	case strings.TrimSpace(s) != s:
		return fmt.Sprintf("%q has spaces around it", s)
	}
	return ""
}

// languageTag accepts the short forms of BCP 47: language, then region.
func languageTag(s string) bool {
	if s == "" {
		return true
	}
	language, region, has := strings.Cut(s, "-")
	letters := func(s string, from, to rune) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r < from || r > to })
	}
	return len(language) >= 2 && len(language) <= 3 && letters(language, 'a', 'z') &&
		(!has || len(region) == 2 && letters(region, 'A', 'Z'))
}
