package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// ask sends one TXT question to the resolver. known is false for a name that
// does not exist at all, in contrast to one without TXT records.
func (s *Subject) ask(ctx context.Context, name string) (records []string, known bool, err error) {
	server := s.Resolver
	if server == "" {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil || len(conf.Servers) == 0 {
			return nil, false, fmt.Errorf("no resolver is set, and the system names none")
		}
		server = net.JoinHostPort(conf.Servers[0], conf.Port)
	}
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	q.SetEdns0(1232, false)
	client := dns.Client{Timeout: 5 * time.Second, UDPSize: 1232}
	a, _, err := client.ExchangeContext(ctx, q, server)
	if err == nil && a.Truncated {
		client.Net = "tcp"
		a, _, err = client.ExchangeContext(ctx, q, server)
	}
	if err != nil {
		return nil, false, fmt.Errorf("ask %s: %w", server, err)
	}
	if a.Rcode != dns.RcodeSuccess && a.Rcode != dns.RcodeNameError {
		return nil, false, fmt.Errorf("ask %s: %s", server, strings.ToLower(dns.RcodeToString[a.Rcode]))
	}
	for _, rr := range a.Answer {
		if t, ok := rr.(*dns.TXT); ok {
			records = append(records, strings.Join(t.Txt, ""))
		}
	}
	return records, a.Rcode == dns.RcodeSuccess, nil
}

// checkDomain looks at what the world learns about our own letters.
func (s *Subject) checkDomain(ctx context.Context) Finding {
	_, domain, _ := strings.Cut(s.From, "@")
	records, _, err := s.ask(ctx, domain)
	if err != nil {
		return fail("set dns.resolver to a resolver that answers; without one no signature can be checked", "%v", err)
	}
	spf := only(records, "v=spf1")
	records, _, err = s.ask(ctx, "_dmarc."+domain)
	if err != nil {
		return fail("set dns.resolver to a resolver that answers", "%v", err)
	}
	dmarc := only(records, "v=DMARC1")
	_, keys, err := s.ask(ctx, "_domainkey."+domain)
	if err != nil {
		return fail("set dns.resolver to a resolver that answers", "%v", err)
	}
	said := map[bool]string{true: "DKIM keys exist", false: "no DKIM key"}[keys]
	found := ok("%s: %s, %s, %s", domain, or(spf, "no SPF"), said, or(dmarc, "no DMARC"))
	var todo []string
	if spf == "" {
		todo = append(todo, fmt.Sprintf(`%s. TXT "v=spf1 mx -all"   (name the servers that send for you)`, domain))
	}
	if dmarc == "" {
		todo = append(todo, fmt.Sprintf(`_dmarc.%s. TXT "v=DMARC1; p=quarantine"`, domain))
	}
	if !keys {
		todo = append(todo, "have the mail server sign with DKIM for "+domain)
	}
	if len(todo) > 0 {
		return warn(strings.Join(todo, "\n"), "%s; letters may be taken for spam, and can be imitated", found.Text)
	}
	return found
}

// only returns the one record that begins like tag, "" if there is none or more
// than one.
func only(records []string, tag string) string {
	found := ""
	for _, r := range records {
		if strings.HasPrefix(r, tag) {
			if found != "" {
				return ""
			}
			found = r
		}
	}
	return found
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// checkWeb opens the health page as an owner's browser would.
func (s *Subject) checkWeb(ctx context.Context) Finding {
	u, err := url.Parse(s.BaseURL)
	if err != nil {
		return fail("mend server.base_url", "%v", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL+"/healthz", nil)
	if err != nil {
		return fail("mend server.base_url", "%v", err)
	}
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return warn("start serve, and check the proxy and DNS of "+u.Hostname(), "%v", err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 100)) // a cut answer is a wrong one
	if answer.StatusCode != http.StatusOK || strings.TrimSpace(string(text)) != "ok" {
		return warn("let the proxy pass the Host header on (docs/deploy/), and nothing else stand at this address", "%s answers %s", s.BaseURL, answer.Status)
	}
	return ok("%s answers", s.BaseURL)
}
