package sender

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// DNS is a Resolver that asks one recursive server. It asks by UDP first and
// by TCP when the answer was cut. The zero value of everything but Server is
// usable.
type DNS struct {
	// Server is host:port.
	Server string
	// Timeout bounds one attempt; 0 means 3 seconds. There are two attempts.
	Timeout time.Duration
}

// LookupTXT returns the TXT records of name, each with its strings joined
// (RFC 6376 3.6.2.2). NXDOMAIN and an empty answer are a *net.DNSError with
// IsNotFound; every other failure has IsTemporary.
func (d *DNS) LookupTXT(ctx context.Context, name string) ([]string, error) {
	var err error
	for range 2 {
		var answer *dns.Msg
		if answer, err = d.ask(ctx, name); err == nil {
			return d.records(answer, name)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, d.failed(name, err.Error(), false)
}

// ask sends one question and takes a whole answer to it.
func (d *DNS) ask(ctx context.Context, name string) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	q.SetEdns0(1232, false)
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = 3 * time.Second
	}
	c := dns.Client{Net: "udp", UDPSize: 1232, Timeout: timeout}
	answer, _, err := c.ExchangeContext(ctx, q, d.Server)
	if err == nil && answer.Truncated {
		c.Net = "tcp"
		answer, _, err = c.ExchangeContext(ctx, q, d.Server)
	}
	if err != nil {
		return nil, err
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, errors.New(strings.ToLower(dns.RcodeToString[answer.Rcode]))
	}
	return answer, nil
}

// records takes the TXT records out of an answer. A recursive server puts the
// aliases it followed (CNAME) and their target into one answer.
func (d *DNS) records(answer *dns.Msg, name string) ([]string, error) {
	var txts []string
	for _, rr := range answer.Answer {
		if t, ok := rr.(*dns.TXT); ok {
			txts = append(txts, unescape(strings.Join(t.Txt, "")))
		}
	}
	if len(txts) == 0 {
		return nil, d.failed(name, "no such record", true)
	}
	return txts, nil
}

func (d *DNS) failed(name, text string, notFound bool) error {
	return &net.DNSError{Err: text, Name: name, Server: d.Server, IsNotFound: notFound, IsTemporary: !notFound}
}

// unescape undoes the notation of zone files (RFC 1035 5.1: \X and \DDD) in
// which miekg/dns hands out the octets of a record.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		if d := s[i+1:]; len(d) >= 3 && isDigit(d[0]) && isDigit(d[1]) && isDigit(d[2]) {
			out = append(out, (d[0]-'0')*100+(d[1]-'0')*10+d[2]-'0')
			i += 3
			continue
		}
		i++
		out = append(out, s[i])
	}
	return string(out)
}
