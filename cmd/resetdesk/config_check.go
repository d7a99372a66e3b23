package main

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// check looks at what the values mean, all of them, and completes them.
func (l *loader) check(c *Config) {
	l.checkServer(&c.Server)
	l.checkMailboxes(c)
	own := c.SMTP.PasswordFile != "" || !c.SMTP.Password.IsZero()
	l.inherit("smtp", &c.SMTP.SignInConfig, c.SMTP.User, own, c.Mailbox)
	l.checkSMTP(&c.SMTP)
	if r := c.DNS.Resolver; r != "" && !hostPort(r) {
		l.complain("dns.resolver", "is %q, write host:port such as 127.0.0.1:53, or nothing for the system's", r)
	}
	l.required("database.path", c.Database.Path, "resetdesk.db")
	l.required("keys.file", c.Keys.File, "resetdesk.keys")
	c.Database.Path, c.Keys.File, c.Accounts.File = l.resolve(c.Database.Path), l.expand("keys.file", c.Keys.File), l.resolve(c.Accounts.File)
	l.required("audit.key_file", c.Audit.KeyFile, "audit.key")
	c.Audit.KeyFile, c.Audit.HeadsFile = l.expand("audit.key_file", c.Audit.KeyFile), l.resolve(c.Audit.HeadsFile)
	c.Letters.Dir = l.resolve(c.Letters.Dir)
	l.checkPolicy(c.Policy)
	l.checkTOTP(&c.TOTP, c.Server.Brand)
	if c.API.Rate < 1 || c.API.Rate > 10_000 {
		l.complain("api.rate", "is %d, write how many requests a second one key may send, 1 to 10000", c.API.Rate)
	}
	c.API.WebhookPrivate = l.networks("api.webhook_allow_private", c.API.WebhookAllowPrivate, "which allows every address; write your own networks")
	l.within("retention.mail_bodies", c.Retention.MailBodies, day, maxDuration)
	l.within("retention.parked", c.Retention.Parked, day, maxDuration)
}

func (l *loader) required(key, value, example string) {
	if strings.TrimSpace(value) == "" {
		l.complain(key, "is missing, write for example %q", example)
	}
}

// within checks a duration. Both ends are allowed.
func (l *loader) within(key string, d, from, to time.Duration) {
	if d < from || d > to {
		l.complain(key, "is %s, write at least %s and at most %s", shortDuration(d), shortDuration(from), shortDuration(to))
	}
}

// shortDuration writes d as the file does: "14d", "2h", "1h30m".
func shortDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	s := d.String()
	if before, ok := strings.CutSuffix(s, "m0s"); ok {
		s = before + "m"
	}
	if before, ok := strings.CutSuffix(s, "h0m"); ok {
		s = before + "h"
	}
	return s
}

func (l *loader) checkServer(s *ServerConfig) {
	if _, port, err := net.SplitHostPort(s.Listen); err != nil || !isPort(port, true) {
		l.complain("server.listen", "is %q, write host:port such as 127.0.0.1:8080", s.Listen)
	}
	if host, port, err := net.SplitHostPort(s.Metrics); s.Metrics != "" && (err != nil || host == "" || !isPort(port, true)) {
		l.complain("server.metrics", "is %q, write host:port such as 127.0.0.1:9464, or nothing", s.Metrics)
	} else if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		l.complain("server.metrics", "is %q, which is every address of this machine; write the one that your monitor uses", s.Metrics)
	}
	l.required("server.brand", s.Brand, "Example")
	for key, address := range map[string]*string{"server.base_url": &s.BaseURL, "server.panel_url": &s.Panel} {
		if *address == "" {
			continue
		}
		u, err := url.Parse(*address)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			l.complain(key, "is %q, write https://name such as https://reset.example.net", *address)
		case key == "server.base_url" && (strings.Trim(u.Path, "/") != "" || strings.ContainsAny(*address, "?#")):
			// Our pages stand at the root: links, cookies and redirects know no path.
			l.complain(key, "is %q, write it without a path or query, such as %s://%s", *address, u.Scheme, u.Host)
		case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
			l.complain(key, "is %q, write https:// (http is for loopback only)", *address)
		}
		*address = strings.TrimRight(*address, "/")
	}
	l.required("server.base_url", s.BaseURL, "https://reset.example.net")
	l.checkSSO(&s.SSO)
	s.Trusted = l.networks("server.trusted_proxies", s.TrustedProxies, "which trusts the whole world; write the addresses of your proxies")
}

// networks reads a list of networks and addresses. all says why one that holds
// every address is refused.
func (l *loader) networks(key string, texts []string, all string) (read []netip.Prefix) {
	for _, p := range texts {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			addr, failed := netip.ParseAddr(p)
			if failed != nil {
				l.complain(key, "holds %q, write networks such as 127.0.0.1/32", p)
				continue
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Bits() == 0 {
			l.complain(key, "holds %q, %s", p, all)
		}
		read = append(read, prefix.Masked())
	}
	return read
}

func (l *loader) checkSMTP(s *SMTPConfig) {
	l.endpoint("smtp", s.Host, &s.Port, s.Security, 465, 587, "smtp.example.net")
	if s.Auth == "password" && s.User != "" && s.PasswordFile == "" && s.Password.IsZero() {
		l.complain("smtp.password_file", "is missing though there is a user, write the file that holds the password, or set RESETDESK_SMTP_PASSWORD")
	}
	s.PasswordFile = l.expand("smtp.password_file", s.PasswordFile)
	const example = `"Example Support <support@example.net>"`
	if s.From == "" {
		l.complain("smtp.from", "is missing, write for example %s", example)
	} else if a, err := mail.ParseAddress(s.From); err != nil {
		l.complain("smtp.from", "is %q, write for example %s", s.From, example)
	} else if _, _, err := sender.ParseAddrSpec(a.Address); err != nil {
		l.complain("smtp.from", "has the address %q, which is %v", a.Address, err)
	} else {
		s.Sender = *a
	}
	l.within("smtp.uncertain_wait", s.UncertainWait, time.Minute, day)
	l.checkBounces(s)
	for key, n := range map[string]int{"smtp.budget": s.Budget, "smtp.account_budget": s.AccountBudget} {
		if n < 0 || n > 1_000_000 {
			l.complain(key, "is %d, write how many letters an hour, 0 for no bound", n)
		}
	}
	l.checkDKIM(&s.DKIM, s.Sender.Address)
}

func (l *loader) checkBounces(s *SMTPConfig) {
	if s.BounceAddress == "" {
		return
	}
	const example = `such as "support@example.net", or "support+{token}@example.net" if the mailbox takes what stands behind a plus`
	address := strings.Replace(s.BounceAddress, review.TokenPlace, "token", 1)
	local, domain, _ := strings.Cut(s.BounceAddress, "@")
	if _, _, err := sender.ParseAddrSpec(address); err != nil || strings.ContainsAny(domain, "{}") || len(local) > 40 {
		l.complain("smtp.bounce_address", "is %q, write an address of the watched mailbox %s", s.BounceAddress, example)
	}
}

func (l *loader) checkDKIM(d *DKIMConfig, from string) {
	if *d == (DKIMConfig{}) {
		return
	}
	l.required("smtp.dkim.selector", d.Selector, "reset1")
	l.required("smtp.dkim.key_file", d.KeyFile, "dkim.key")
	d.Domain = strings.ToLower(d.Domain)
	_, domain, _ := strings.Cut(strings.ToLower(from), "@")
	if d.Domain == "" {
		d.Domain = domain
	}
	if domain != "" && domain != d.Domain && !strings.HasSuffix(domain, "."+d.Domain) {
		l.complain("smtp.dkim.domain", "is %q, write the domain of smtp.from (%s) or its parent: another one proves nothing to receivers", d.Domain, domain)
	}
	for key, name := range map[string]string{"smtp.dkim.domain": d.Domain, "smtp.dkim.selector": d.Selector} {
		if strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
			l.complain(key, "is %q, write a name of letters, digits, hyphens and dots", name)
		}
	}
	d.KeyFile = l.expand("smtp.dkim.key_file", d.KeyFile)
}

// endpoint checks host, port and security of a server and fills in the port.
// Passwords and mail cross a network encrypted or not at all (design 6).
func (l *loader) endpoint(section, host string, port *int, s mailbox.Security, implicit, explicit int, example string) {
	l.required(section+".host", host, example)
	switch s {
	case mailbox.TLS, mailbox.StartTLS:
	case mailbox.Plain:
		if host != "" && !isLoopback(host) {
			l.complain(section+".security", "is plain towards %q, write tls or starttls (plain is for loopback only)", host)
		}
	default:
		l.complain(section+".security", "is %q, write tls, starttls or plain", string(s))
	}
	if strings.ContainsAny(host, "/ ") || strings.Count(host, ":") == 1 {
		l.complain(section+".host", "is %q, write the name alone (the port has its own key)", host)
	}
	switch {
	case !l.given[section+".port"] && s == mailbox.TLS:
		*port = implicit
	case !l.given[section+".port"]:
		*port = explicit
	case *port < 1 || *port > 65535:
		l.complain(section+".port", "is %d, write 1 to 65535 (or leave it out for %d)", *port, implicit)
	}
}

func (l *loader) checkPolicy(p PolicyConfig) {
	if _, ok := presets[p.Preset]; !ok {
		l.complain("policy.preset", "is %q, write balanced, cautious or small-team", p.Preset)
	}
	if p.Hold != nil {
		l.within("policy.hold", *p.Hold, time.Hour, 30*day)
	}
	if p.ConfirmLinkLifetime != nil {
		l.within("policy.confirm_link_lifetime", *p.ConfirmLinkLifetime, 15*time.Minute, day)
	}
	for key, d := range map[string]*time.Duration{"case_lifetime": p.CaseLifetime, "fresh_address": p.FreshAddress, "repeat_reset": p.RepeatReset,
		"imitations": p.Imitations} {
		if d != nil {
			l.within("policy."+key, *d, day, 365*day)
		}
	}
	if p.VoteLifetime != nil {
		l.within("policy.vote_lifetime", *p.VoteLifetime, time.Hour, 14*day)
	}
	if p.VouchedWithin != nil {
		l.within("policy.vouched_within", *p.VouchedWithin, 5*time.Minute, 30*day)
	}
	if p.NoticeGrace != nil {
		l.within("policy.notice_grace", *p.NoticeGrace, 15*time.Minute, 7*day)
	}
	l.checkEvidence(p.Evidence)
	for key, d := range map[string]*time.Duration{"low": p.Waiting.Low, "medium": p.Waiting.Medium, "high": p.Waiting.High, "vouched": p.Waiting.Vouched} {
		if d != nil {
			l.within("policy.waiting."+key, *d, 0, 14*day)
		}
	}
	for key, n := range map[string]*int{"low": p.Approvals.Low, "medium": p.Approvals.Medium, "high": p.Approvals.High} {
		if n != nil && (*n < 1 || *n > 5) {
			l.complain("policy.approvals."+key, "is %d, write 1 to 5: nothing is cleared without a person's approval", *n)
		}
	}
}

func (l *loader) checkTOTP(t *TOTPConfig, brand string) {
	if t.Issuer == "" {
		t.Issuer = brand
	}
	if strings.Contains(t.Issuer, ":") {
		l.complain("totp.issuer", "is %q, write a name without a colon (it is the brand when not given)", t.Issuer)
	}
	l.within("totp.grace", t.Grace, 0, 365*day)
	if _, ok := algorithms[t.Algorithm]; !ok {
		l.complain("totp.algorithm", "is %q, write SHA1, SHA256 or SHA512 (some apps know SHA1 alone)", t.Algorithm)
	}
	if t.Digits != 6 && t.Digits != 8 {
		l.complain("totp.digits", "is %d, write 6 or 8", t.Digits)
	}
	if t.Period != 30 && t.Period != 60 {
		l.complain("totp.period", "is %d, write 30 or 60 (seconds)", t.Period)
	}
	if t.Skew != 0 && t.Skew != 1 {
		l.complain("totp.skew", "is %d, write 0 or 1 (steps)", t.Skew)
	}
}

var algorithms = map[string]totp.Algorithm{"SHA1": totp.SHA1, "SHA256": totp.SHA256, "SHA512": totp.SHA512}

// Policy is what the second factors go by.
func (t TOTPConfig) Policy() totp.Policy {
	skew := t.Skew
	if skew == 0 {
		skew = -1 // a zero in a Policy is the default
	}
	return totp.Policy{Issuer: t.Issuer, MandatoryFrom: t.MandatoryFrom, Grace: t.Grace, Skew: skew,
		Algorithm: algorithms[t.Algorithm], Digits: t.Digits, Period: t.Period, BareLabel: t.BareLabel}
}

var presets = map[string]review.Policy{"balanced": review.Balanced, "cautious": review.Cautious, "small-team": review.SmallTeam}

// Review returns the preset with what the file changes in it.
func (p PolicyConfig) Review() review.Policy {
	r := presets[p.Preset]
	r.Threat = p.ThreatMode
	set(&r.Hold, p.Hold)
	set(&r.LinkLifetime, p.ConfirmLinkLifetime)
	set(&r.CaseLifetime, p.CaseLifetime)
	set(&r.VoteLifetime, p.VoteLifetime)
	set(&r.FreshAddress, p.FreshAddress)
	set(&r.RepeatReset, p.RepeatReset)
	set(&r.Imitations, p.Imitations)
	set(&r.VouchedWithin, p.VouchedWithin)
	set(&r.NoticeGrace, p.NoticeGrace)
	r.Evidence = rules(p.Evidence)
	spares := r.VouchedWait < r.Low.Wait // a vouched password spares something in this preset
	set(&r.Low.Wait, p.Waiting.Low)
	set(&r.Medium.Wait, p.Waiting.Medium)
	set(&r.High.Wait, p.Waiting.High)
	if !spares {
		r.VouchedWait = r.Low.Wait
	}
	set(&r.VouchedWait, p.Waiting.Vouched)
	set(&r.Low.Approvals, p.Approvals.Low)
	set(&r.Medium.Approvals, p.Approvals.Medium)
	set(&r.High.Approvals, p.Approvals.High)
	return r
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// isLoopback is for host names as an operator writes them. A name other than
// localhost could lead anywhere.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

func hostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && isPort(port, false)
}

// isPort allows 0, a port of the kernel's choice, for listening only.
func isPort(s string, listen bool) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && (n > 0 || listen)
}
