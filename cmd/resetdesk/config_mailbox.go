package main

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// furtherMailbox begins the sections of mailboxes beside the first.
const furtherMailbox = "mailboxes."

// mailboxName is what a further mailbox may be called: its variables are cut at
// the underscore behind the name.
var mailboxName = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// nameMailboxes makes room for every further mailbox that the file or the
// environment speaks of.
func (l *loader) nameMailboxes(c *Config, tree map[string]any) {
	c.Mailboxes = map[string]*MailboxConfig{}
	tables, _ := tree["mailboxes"].(map[string]any)
	for name, table := range tables {
		if _, ok := table.(map[string]any); !ok {
			continue // reported where the file is walked
		}
		if !mailboxName.MatchString(name) {
			for key, at := range l.places { // the table itself has no place: show its first key
				first, known := l.places[furtherMailbox+name]
				if strings.HasPrefix(key, furtherMailbox+name+".") && (!known || at.line < first.line) {
					l.places[furtherMailbox+name] = at
				}
			}
			l.complain(furtherMailbox+name, "is no name for a mailbox, write [mailboxes.name] with small letters and digits")
		}
		c.Mailboxes[name] = &MailboxConfig{}
	}
	for variable := range l.env {
		rest, ok := strings.CutPrefix(variable, "RESETDESK_MAILBOXES_")
		name, key, more := strings.Cut(strings.ToLower(rest), "_")
		if ok && more && key != "" && mailboxName.MatchString(name) && c.Mailboxes[name] == nil {
			c.Mailboxes[name] = &MailboxConfig{}
		}
	}
}

// A namedMailbox is a mailbox and the section that it is written in.
type namedMailbox struct {
	Section string
	*MailboxConfig
}

// boxes are all mailboxes, the first one first and the others by their names.
func (c *Config) boxes() []namedMailbox {
	all := []namedMailbox{{"mailbox", &c.Mailbox}}
	for _, name := range slices.Sorted(maps.Keys(c.Mailboxes)) {
		all = append(all, namedMailbox{furtherMailbox + name, c.Mailboxes[name]})
	}
	return all
}

// addresses are those that requests are sent to, in any mailbox.
func (c *Config) addresses() (all []string) {
	for _, m := range c.boxes() {
		for _, a := range m.Addresses {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// folders names all that are watched, mailbox/folder.
func (c *Config) folders() (all []string) {
	for _, m := range c.boxes() {
		for _, f := range m.Folders {
			all = append(all, m.User+"/"+f)
		}
	}
	return all
}

func (l *loader) checkMailboxes(c *Config) {
	l.checkMailbox("mailbox", &c.Mailbox)
	if len(c.Mailbox.Addresses) == 0 {
		l.complain("mailbox.addresses", `is missing, write the addresses that requests are sent to: ["support@example.net"]`)
	}
	users := map[string]string{c.Mailbox.User: "mailbox"}
	for _, m := range c.boxes()[1:] {
		l.takeOver(m, c.Mailbox)
		l.checkMailbox(m.Section, m.MailboxConfig)
		if other, taken := users[m.User]; taken && m.User != "" {
			l.complain(m.Section+".user", "is that of [%s] too; a mailbox is known by its user, so list all folders of one user in one section", other)
		}
		users[m.User] = m.Section
	}
}

// takeOver fills in what a further mailbox does not say. What belongs to a server
// is taken over with its host alone, and a password never is.
func (l *loader) takeOver(m namedMailbox, first MailboxConfig) {
	own := []string{"user", "password_file", "folders", "addresses"}
	if l.given[m.Section+".host"] {
		own = append(own, "port", "security")
	}
	own = append(own, namesIn(reflect.TypeFor[SignInConfig]())...) // see inherit
	from := settings("", reflect.ValueOf(&first).Elem())
	for i, s := range settings("", reflect.ValueOf(m.MailboxConfig).Elem()) {
		if !l.given[m.Section+"."+s.key] && !slices.Contains(own, s.key) {
			s.value.Set(from[i].value)
		}
	}
	if m.Security == "" {
		m.Security = mailbox.TLS
	}
	if len(m.Folders) == 0 && !l.given[m.Section+".folders"] {
		m.Folders = []string{"INBOX"}
	}
	if !l.given[m.Section+".port"] && !l.given[m.Section+".host"] && l.given["mailbox.port"] {
		l.given[m.Section+".port"] = true // else it would be the usual one
	}
	l.inherit(m.Section, &m.SignInConfig, m.User, m.PasswordFile != "" || !m.Password.IsZero(), first)
}

func (l *loader) checkMailbox(section string, m *MailboxConfig) {
	l.endpoint(section, m.Host, &m.Port, m.Security, 993, 143, "imap.example.net")
	l.required(section+".user", m.User, "support@example.net")
	if section == "mailbox" {
		l.checkSignIn(section, &m.SignInConfig, m.User)
	}
	if m.Auth == "password" && m.PasswordFile == "" && m.Password.IsZero() {
		l.complain(section+".password_file", "is missing, write the file that holds the password, or set %s", variable(section+".password"))
	}
	m.PasswordFile = l.expand(section+".password_file", m.PasswordFile)
	if len(m.Folders) == 0 || slices.Contains(m.Folders, "") {
		l.complain(section+".folders", `is empty, write at least ["INBOX"]`)
	}
	seen := map[string]bool{}
	for _, f := range m.Folders {
		key := f
		if strings.EqualFold(f, "INBOX") { // RFC 9051 5.1: this name alone has no case
			key = "INBOX"
		}
		if seen[key] {
			l.complain(section+".folders", "lists %q twice", f)
		}
		seen[key] = true
	}
	for _, a := range m.Addresses {
		if _, _, err := sender.ParseAddrSpec(a); err != nil {
			l.complain(section+".addresses", "holds %q, which is %v", a, err)
		}
	}
	if m.Backlog != "park" && m.Backlog != "open" {
		l.complain(section+".backlog", "is %q, write park (old mails are listed) or open (old mails open cases)", m.Backlog)
	}
	if m.Boundary < 0 || m.Boundary > 20 {
		l.complain(section+".boundary", "is %d, write how many Received fields from the top are your own, 0 to 20", m.Boundary)
	}
	l.checkTrust(section, m)
}

// checkTrust checks what the sender check may believe of our own servers.
func (l *loader) checkTrust(section string, m *MailboxConfig) {
	for _, name := range m.BoundaryBy {
		if !sender.ValidHost(name) {
			l.complain(section+".boundary_by", "holds %q, write host names as they stand behind “by” in Received", name)
		}
	}
	for _, id := range m.AuthservIDs {
		if !sender.ValidAuthservID(id) {
			l.complain(section+".trusted_authserv_ids", "holds %q, write the name with which Authentication-Results begins, such as mx.example.net", id)
		}
	}
	switch m.TrustPosition {
	case sender.AboveBoundary, sender.BelowBoundary:
	default:
		l.complain(section+".trust_position", "is %q, write above-boundary or below-boundary", string(m.TrustPosition))
	}
	switch m.TrustMode {
	case sender.TrustOff:
		return
	case sender.TrustRFC8601:
		if len(m.AuthservIDs) == 0 {
			l.complain(section+".trusted_authserv_ids", "is missing though trust_mode is rfc8601, write the name with which your server's Authentication-Results begins")
		}
	case sender.TrustExchange:
	default:
		l.complain(section+".trust_mode", "is %q, write off, rfc8601 or exchange-online", string(m.TrustMode))
		return
	}
	if m.Boundary < 1 {
		l.complain(section+".boundary", "is %d though trust_mode is %s, write which Received field from the top your own server wrote", m.Boundary, m.TrustMode)
	}
	if m.TrustPosition == sender.BelowBoundary && !m.StripVerified {
		l.complain(section+".strip_verified", "is false though trust_position is below-boundary, see with resetdesk doctor that your server deletes forged Authentication-Results, then write true")
	}
}
