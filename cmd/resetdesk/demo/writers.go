package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// selector is under which every domain of the demo publishes its key.
const selector = "demo"

// strangers is a domain that signs as it should: a signature proves a
// domain, and this one belongs to no account.
const strangers = "freemail.example"

// lookalikes are what the impostors registered: read them twice.
var lookalikes = map[string]string{
	"acme.example":   "acrne.example",
	"tulp.example":   "tu1p.example",
	"muster.example": "rnuster.example",
}

// A zone is the DNS of the demo: the key records of its domains and nothing
// else. It is the sender check's resolver.
type zone struct {
	keys    map[string]ed25519.PrivateKey // by domain
	records map[string]string             // by name, without the last dot
}

func newZone(accounts []*account) (zone, error) {
	z := zone{keys: map[string]ed25519.PrivateKey{}, records: map[string]string{}}
	domains := []string{strangers}
	for _, a := range accounts {
		domains = append(domains, a.Domain, lookalikes[a.Domain])
	}
	for _, d := range domains {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return z, fmt.Errorf("make key of %s: %w", d, err)
		}
		z.keys[d] = private
		// RFC 8463 4: the record holds the bare public key.
		z.records[selector+"._domainkey."+d] = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	}
	return z, nil
}

// LookupTXT implements the resolver of the sender check.
func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if record, ok := z.records[strings.TrimSuffix(strings.ToLower(name), ".")]; ok {
		return []string{record}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// sign puts the signature of domain on top of a mail (RFC 6376).
func (z zone) sign(domain string, raw []byte) ([]byte, error) {
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: selector, Signer: z.keys[domain],
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: []string{"From", "To", "Cc", "Reply-To", "Sender", "Subject", "Date", "Message-ID", "MIME-Version",
			"Content-Type", "Content-Transfer-Encoding"},
	})
	if err != nil {
		return nil, fmt.Errorf("sign mail: %w", err)
	}
	return out.Bytes(), nil
}

// A role is somebody who may write to support.
type role struct {
	Key, Title, How string
	Expect          string // what the desk makes of it
	words           string // which texts it writes
}

// roles are those who write, the honest one first.
var roles = []role{
	{"admin", "The admin", "from the registered address, signed by its domain",
		"It opens a case, or joins the one that is open: exact address, sender authenticated. The letter with the confirm link goes to the registered address.", "admin"},
	{"forged", "An impostor with the admin’s address", "the same From line, no signature",
		"It never counts as authenticated. It may open a case, at high risk and for two reviewers; the link goes to the real admin and never to the impostor.", "forged"},
	{"lookalike", "An impostor with a look-alike domain", "one letter off, properly signed by the wrong domain",
		"Quarantined: see the tab of that name at the desk, signed in as Rita. Nobody is answered.", "forged"},
	{"twofrom", "An impostor with two From lines", "one for the filter, one for the reader",
		"Quarantined: a mail with two senders has none. Nobody is answered.", "forged"},
	{"stranger", "A stranger", "a helpful address that belongs to no account",
		"Passed by: see “Not a request” at the desk. Nobody is answered, so that nobody learns who is a customer.", "stranger"},
}

func findRole(k string) (role, bool) {
	for _, r := range roles {
		if r.Key == k {
			return r, true
		}
	}
	return role{}, false
}

//go:embed data/texts.json
var textsFile []byte

// A composition is a mail to support before it is written down.
type composition struct {
	Role          role
	Account       *account
	Subject, Text string
}

// prefilled is what a role would write in the language of an account.
func prefilled(r role, a *account) (composition, error) {
	var texts map[string]map[string]string
	if err := json.Unmarshal(textsFile, &texts); err != nil {
		return composition{}, fmt.Errorf("read texts: %w", err)
	}
	t := texts[a.Locale]
	fill := strings.NewReplacer("{{name}}", a.loser().Name, "{{login}}", a.loser().Login, "{{account}}", a.ID,
		"{{company}}", a.Name, "{{admin}}", a.admin().Name)
	return composition{r, a, fill.Replace(t[r.words+".subject"]), fill.Replace(t[r.words+".text"])}, nil
}

// From is who the mail says it is from, a line each.
func (c composition) From() []mail.Address {
	admin := c.Account.admin()
	real := mail.Address{Name: admin.Name, Address: admin.Email}
	local, domain, _ := strings.Cut(admin.Email, "@")
	switch c.Role.Key {
	case "lookalike":
		return []mail.Address{{Name: admin.Name, Address: local + "@" + lookalikes[domain]}}
	case "twofrom":
		return []mail.Address{{Name: "Pat Helper", Address: "pat@" + strangers}, real}
	case "stranger":
		return []mail.Address{{Name: "Pat Helper", Address: "pat@" + strangers}}
	}
	return []mail.Address{real}
}

// signer is the domain that signs, "" if none does.
func (c composition) signer() string {
	if c.Role.Key == "forged" || c.Role.Key == "twofrom" {
		return ""
	}
	_, domain, _ := strings.Cut(c.From()[0].Address, "@")
	return domain
}

// Longest subject and text that a visitor may write, in bytes.
const (
	maxSubject = 200
	maxText    = 20_000
)

// raw writes the mail down as it comes in (RFC 5322), signed or not. Subject and
// text are the visitor's: encoded words and quoted-printable keep them out of
// the header.
func (c composition) raw(z zone, now time.Time) ([]byte, error) {
	if strings.TrimSpace(c.Subject) == "" || strings.TrimSpace(c.Text) == "" {
		return nil, errors.New("a mail needs a subject and a text")
	}
	if len(c.Subject) > maxSubject || len(c.Text) > maxText {
		return nil, errors.New("this mail is too long for the demo")
	}
	var b bytes.Buffer
	for _, f := range c.From() {
		fmt.Fprintf(&b, "From: %s\r\n", f.String())
	}
	_, domain, _ := strings.Cut(c.From()[0].Address, "@")
	fmt.Fprintf(&b, "To: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n", support, subjectLine(c.Subject),
		now.Format(time.RFC1123Z), rand.Text(), domain)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	body := quotedprintable.NewWriter(&b)
	text := strings.ReplaceAll(strings.ReplaceAll(c.Text, "\r\n", "\n"), "\r", "\n")
	if _, err := body.Write([]byte(strings.TrimRight(text, "\n") + "\n")); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	if err := body.Close(); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	if d := c.signer(); d != "" {
		return z.sign(d, b.Bytes())
	}
	return b.Bytes(), nil
}

// subjectLine encodes a subject (RFC 2047) and folds between encoded words.
func subjectLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}
