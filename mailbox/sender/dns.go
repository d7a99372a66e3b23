package sender

import (
	"context"
	"errors"
	"math"
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
	a, err := d.Ask(ctx, name)
	return a.Records, err
}

// Ask is LookupTXT with what else the server said. NoName is told beside the
// error.
func (d *DNS) Ask(ctx context.Context, name string) (Answer, error) {
	at := time.Now()
	var err error
	for range 2 {
		var answer *dns.Msg
		if answer, err = d.ask(ctx, name); err == nil {
			a := Answer{At: at, DNSSEC: answer.AuthenticatedData, NoName: answer.Rcode == dns.RcodeNameError}
			a.Records, a.TTL = records(answer, name)
			if len(a.Records) == 0 {
				return a, d.failed(name, "no such record", true)
			}
			return a, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return Answer{}, d.failed(name, err.Error(), false)
}

// ask sends one question and takes a whole answer to it.
func (d *DNS) ask(ctx context.Context, name string) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	q.SetEdns0(1232, false)
	q.AuthenticatedData = true // asks for the AD bit (RFC 6840 5.7)
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
	if len(answer.Question) != 1 || !strings.EqualFold(answer.Question[0].Name, q.Question[0].Name) || answer.Question[0].Qtype != dns.TypeTXT {
		return nil, errors.New("the answer is to another question")
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, errors.New(strings.ToLower(dns.RcodeToString[answer.Rcode]))
	}
	return answer, nil
}

// maxAliases bounds the aliases that are followed.
const maxAliases = 8

// records takes the TXT records of name out of an answer, and the least TTL on
// the way to them. A recursive server puts the aliases it followed (CNAME) and
// their target into one answer; what belongs to other names is left out.
func records(answer *dns.Msg, name string) (txts []string, ttl time.Duration) {
	owner, least := dns.Fqdn(name), uint32(math.MaxUint32)
	for range maxAliases {
		alias := ""
		for _, rr := range answer.Answer {
			if !strings.EqualFold(rr.Header().Name, owner) {
				continue
			}
			switch rr := rr.(type) {
			case *dns.TXT:
				txts = append(txts, unescape(strings.Join(rr.Txt, "")))
				least = min(least, rr.Hdr.Ttl)
			case *dns.CNAME:
				alias = rr.Target
				least = min(least, rr.Hdr.Ttl)
			}
		}
		if len(txts) > 0 || alias == "" {
			break
		}
		owner = alias
	}
	return txts, time.Duration(least) * time.Second
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
