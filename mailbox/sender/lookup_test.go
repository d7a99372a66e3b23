package sender_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// counting is a Resolver with TTLs that counts what it is asked.
type counting struct {
	zone  zone
	ttl   time.Duration
	asked map[string]int
}

func (c *counting) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := c.Ask(ctx, name)
	return a.Records, err
}

func (c *counting) Ask(_ context.Context, name string) (sender.Answer, error) {
	name = strings.TrimSuffix(name, ".")
	c.asked[name]++
	records := c.zone[name]
	switch {
	case slices.Contains(records, "SERVFAIL"):
		return sender.Answer{}, &net.DNSError{Err: "servfail", Name: name, IsTemporary: true}
	case records == nil:
		return sender.Answer{NoName: true}, &net.DNSError{Err: "nxdomain", Name: name, IsNotFound: true}
	}
	return sender.Answer{Records: records, TTL: c.ttl, At: time.Now()}, nil
}

// TestCache: a key is asked for once in its TTL and no longer than an hour; what
// failed or is not there is asked for again; and the cache stays small.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ttl, asked := range map[time.Duration]int{0: 4, time.Minute: 2, time.Hour: 2, 100 * time.Hour: 2} {
			from := &counting{zone{"a.example": {"x"}}, ttl, map[string]int{}}
			c := sender.NewCache(from, 10)
			for _, wait := range []time.Duration{0, 59 * time.Second, 0, min(max(ttl, time.Second), time.Hour)} {
				time.Sleep(wait)
				if got, err := c.LookupTXT(t.Context(), "a.example."); err != nil || !slices.Equal(got, []string{"x"}) {
					t.Errorf("%v %v", got, err)
				}
			}
			if from.asked["a.example"] != asked {
				t.Errorf("TTL %s: asked %d times, want %d", ttl, from.asked["a.example"], asked)
			}
		}
		from := &counting{zone{"bad.example": {"SERVFAIL"}}, time.Hour, map[string]int{}}
		c := sender.NewCache(from, 3)
		for range 2 {
			c.LookupTXT(t.Context(), "bad.example.")
			c.LookupTXT(t.Context(), "none.example.")
		}
		if from.asked["bad.example"] != 2 || from.asked["none.example"] != 2 {
			t.Errorf("failures were kept: %v", from.asked)
		}
		for i := range 100 {
			name := fmt.Sprintf("k%d.example", i)
			from.zone[name] = []string{"x"}
			c.LookupTXT(t.Context(), name+".")
			c.LookupTXT(t.Context(), name+".")
			if from.asked[name] != 1 {
				t.Fatalf("%s asked %d times", name, from.asked[name])
			}
			if n := c.Len(); n > 3 {
				t.Fatalf("%d names are kept", n)
			}
		}
	})
}

// TestLookupsAreBounded: the most that one mail can ask for.
func TestLookupsAreBounded(t *testing.T) {
	from := &counting{zone{"_dmarc.example": {"v=DMARC1; p=reject"}}, 0, map[string]int{}}
	deep := "admin@1.2.3.4.5.6.7.8.9.legit.example"
	m := base().with("From: " + deep).results(myID + "spf=pass smtp.mailfrom=a@9.8.7.6.5.4.3.2.1.other.example")
	var sigs []string
	for i := range 8 {
		sigs = append(sigs, m.sign(sig{d: "1.2.3.4.5.6.7.8.9.legit.example", s: fmt.Sprintf("s%d", i)}))
	}
	r := request(&nameServer{}, m.raw(sigs...))
	r.Registered, r.Resolver = []string{deep}, from
	v := sender.Verify(context.Background(), r)
	total := 0
	for name, n := range from.asked {
		if total += n; n > 1 {
			t.Errorf("%s asked %d times", name, n)
		}
	}
	if total < 8+8+8-1 || total > 32 || v.State() != unverified {
		t.Errorf("%d questions, %s %v", total, v.State(), v.Reasons)
	}
}

// TestLyingDNS: answers to other questions, records of other names, loops of
// aliases, and answers that come late are no answers.
func TestLyingDNS(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	txt := func(name, text string) dns.RR {
		return &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 300}, Txt: []string{text}}
	}
	alias := func(name, to string) dns.RR {
		return &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: to}
	}
	up := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg)
		a.SetReply(q)
		name := q.Question[0].Name
		switch name {
		case "good.example.":
			a.AuthenticatedData = q.AuthenticatedData
			a.Answer = []dns.RR{txt("GOOD.example.", "yes")}
		case "alias.example.":
			a.Answer = []dns.RR{alias(name, "b.example."), alias("b.example.", "c.example."), txt("c.example.", "yes")}
		case "other.example.":
			a.Answer = []dns.RR{txt("legit.example.", "no")}
		case "beside.example.":
			a.Answer = []dns.RR{txt(name, "yes"), txt("legit.example.", "no")}
		case "loop.example.":
			a.Answer = []dns.RR{alias(name, "b.example."), alias("b.example.", name), txt("c.example.", "no")}
		case "question.example.":
			a.Question[0].Name = "good.example."
			a.Answer = []dns.RR{txt("good.example.", "no"), txt(name, "no")}
		case "late.example.":
			time.Sleep(600 * time.Millisecond)
			a.Answer = []dns.RR{txt(name, "no")}
		case "cut.example.": // and there is no TCP
			a.Truncated = true
			a.Answer = []dns.RR{txt(name, "no")}
		}
		_ = w.WriteMsg(a)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = s.Shutdown() })
	d := &sender.DNS{Server: conn.LocalAddr().String(), Timeout: 200 * time.Millisecond}
	for name, want := range map[string]string{
		"good": "[yes] 5m0s true", "alias": "[yes] 1m0s false", "other": "nothing", "beside": "[yes] 5m0s false", "loop": "nothing",
		"question": "failed", "late": "failed", "cut": "failed",
	} {
		a, err := d.Ask(context.Background(), name+".example.")
		got := fmt.Sprint(a.Records, a.TTL, a.DNSSEC)
		if e, ok := err.(*net.DNSError); ok && e.IsNotFound {
			got = "nothing"
		} else if err != nil {
			got = "failed"
		}
		if strings.ReplaceAll(got, "] ", "]") != strings.ReplaceAll(want, "] ", "]") {
			t.Errorf("%s: %s %v, want %s", name, got, err, want)
		}
	}
}
