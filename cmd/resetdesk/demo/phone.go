package demo

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/totp"
)

// A key is one line of the pretend authenticator. Its codes come from the
// primitive library and not from ours, as those of a real phone would.
type key struct {
	label  string
	secret string // base32
	opts   potp.ValidateOpts
}

func (k key) period() time.Duration { return time.Duration(k.opts.Period) * time.Second }

// code is what the authenticator shows at t (RFC 6238 4.2).
func (k key) code(t time.Time) (string, error) {
	code, err := potp.GenerateCodeCustom(k.secret, t, k.opts)
	if err != nil {
		return "", fmt.Errorf("compute code: %w", err)
	}
	return code, nil
}

// errKey is for the person at the phone.
var errKey = errors.New("this is neither a setup key nor an otpauth:// link; copy it whole from the enrollment page")

const maxPasted = 2048 // bytes

// readKey reads what a person copies from an enrollment page: the key, in
// groups or not, or the otpauth link that the QR code carries.
func readKey(pasted string) (key, error) {
	pasted = strings.TrimSpace(pasted)
	if pasted == "" || len(pasted) > maxPasted {
		return key{}, errKey
	}
	k := key{label: brand, secret: pasted, opts: potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}}
	if strings.HasPrefix(strings.ToLower(pasted), "otpauth:") {
		if err := k.readLink(pasted); err != nil {
			return key{}, err
		}
	}
	k.secret = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\u00a0", "", "\t", "", "\n", "", "\r", "").Replace(k.secret))
	// Our own library judges whether it is a key; the codes are not its work.
	if _, err := totp.Restore(k.secret, totp.Options{Issuer: brand, Account: "phone"}); err != nil {
		return key{}, errKey
	}
	if _, err := k.code(time.Now()); err != nil {
		return key{}, errKey
	}
	return k, nil
}

// readLink takes an otpauth link apart.
func (k *key) readLink(link string) error {
	u, err := url.Parse(link)
	if err != nil || !strings.EqualFold(u.Host, "totp") {
		return errKey
	}
	q := u.Query()
	k.secret = q.Get("secret")
	if label := strings.TrimPrefix(u.Path, "/"); label != "" {
		k.label = strings.Replace(label, ":", ", ", 1)
	}
	switch q.Get("digits") {
	case "", "6":
	case "8":
		k.opts.Digits = otp.DigitsEight
	default:
		return errKey
	}
	switch q.Get("period") {
	case "", "30":
	case "60":
		k.opts.Period = 60
	default:
		return errKey
	}
	switch strings.ToUpper(q.Get("algorithm")) {
	case "", "SHA1":
	case "SHA256":
		k.opts.Algorithm = otp.AlgorithmSHA256
	case "SHA512":
		k.opts.Algorithm = otp.AlgorithmSHA512
	default:
		return errKey
	}
	return nil
}

// A device is somebody's phone.
type device struct {
	ID, Owner, What string
	Staff           bool
	Login, Password string // what its owner signs in with
	Lost            int    // how many phones went overboard so far
	keys            []key  // the newest first
}

// maxKeys is how many lines a phone shows. The oldest goes first.
const maxKeys = 3

// phones are all devices. Safe for concurrent use.
type phones struct {
	mu  sync.Mutex
	all []*device
}

func (p *phones) add(d *device) *device {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, d)
	return d
}

// order sorts the phones for the page.
func (p *phones) order(rank func(*device) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(p.all, func(a, b *device) int { return rank(a) - rank(b) })
}

func (p *phones) find(id string) *device {
	for _, d := range p.all {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// scan puts a key on a phone. It reports whether there is such a phone.
func (p *phones) scan(id string, k key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.find(id)
	if d == nil {
		return false
	}
	d.keys = append([]key{k}, d.keys...)
	d.keys = d.keys[:min(len(d.keys), maxKeys)]
	return true
}

// lose throws away what is on a phone. Those of the staff stay: a demo without
// reviewers is a short one.
func (p *phones) lose(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.find(id)
	if d == nil || d.Staff {
		return false
	}
	d.keys, d.Lost = nil, d.Lost+1
	return true
}

// A screen is a device as it looks at one moment.
type screen struct {
	device
	Lines []line
}

// A line is one code on the screen, the one after it, and the seconds until then.
type line struct {
	Label, Code, Next string
	Left, Period      int
}

// screens shows every phone at a moment, and the seconds until some code changes.
func (p *phones) screens(now time.Time) (all []screen, soonest int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	soonest = 30
	for _, d := range p.all {
		s := screen{device: *d}
		for _, k := range d.keys {
			l := line{Label: k.label, Period: int(k.opts.Period)}
			l.Left = l.Period - int(now.Unix()%int64(l.Period))
			soonest = min(soonest, l.Left)
			code, err := k.code(now)
			if err != nil {
				return nil, 0, err
			}
			next, err := k.code(now.Add(k.period()))
			if err != nil {
				return nil, 0, err
			}
			l.Code, l.Next = spaced(code), spaced(next)
			s.Lines = append(s.Lines, l)
		}
		all = append(all, s)
	}
	return all, soonest, nil
}

// one returns the screen of one phone without its codes.
func (p *phones) one(id string) (screen, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.find(id); d != nil {
		return screen{device: *d}, true
	}
	return screen{}, false
}

// spaced writes 123456 as 123 456.
func spaced(code string) string { return code[:len(code)/2] + " " + code[len(code)/2:] }

// Title says whose phone it is.
func (d device) Title() string { return possessive(d.Owner) + " phone" }

func possessive(name string) string {
	first, _, _ := strings.Cut(name, " ")
	if strings.HasSuffix(first, "s") {
		return first + "’"
	}
	return first + "’s"
}

// Overboard tells the story of the phones that are gone.
func (d device) Overboard() string {
	switch d.Lost {
	case 0:
		return ""
	case 1:
		return "The old phone lies in the canal. The backup codes were in its case."
	}
	return strconv.Itoa(d.Lost) + " phones lie in the canal. The backup codes were in their cases."
}
