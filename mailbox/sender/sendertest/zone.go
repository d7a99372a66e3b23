package sendertest

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// Zone is what a name server knows: TXT records by name, in lower case and
// without the last dot. It must not change while it is served.
type Zone map[string][]string

// LookupTXT makes a Zone a resolver where no wire is needed.
func (z Zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if r, ok := z[strings.ToLower(strings.TrimSuffix(name, "."))]; ok {
		return r, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// Serve answers for the zone on a loopback port, by UDP and TCP, until stop is
// called.
func (z Zone) Serve() (addr string, stop func(), err error) {
	udp, tcp, err := listenBoth()
	if err != nil {
		return "", nil, fmt.Errorf("serve zone: %w", err)
	}
	addr = udp.LocalAddr().String()
	servers := []*dns.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}}
	for _, s := range servers {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
	}
	return addr, func() {
		for _, s := range servers {
			_ = s.Shutdown()
		}
	}, nil
}

// listenBoth takes one loopback port for UDP and TCP. The port that is free for
// one may be taken for the other.
func listenBoth() (udp net.PacketConn, tcp net.Listener, err error) {
	for range 20 {
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp, nil
		}
		udp.Close()
	}
	return nil, nil, err
}

// ServeDNS implements dns.Handler.
func (z Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	a := new(dns.Msg)
	a.SetReply(q)
	records, known := z[strings.ToLower(strings.TrimSuffix(q.Question[0].Name, "."))]
	if !known {
		a.Rcode = dns.RcodeNameError
	}
	for _, r := range records {
		if q.Question[0].Qtype != dns.TypeTXT {
			break
		}
		a.Answer = append(a.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: pieces(r),
		})
	}
	if _, tcp := w.RemoteAddr().(*net.TCPAddr); !tcp && a.Len() > 1232 {
		a.Truncate(1232)
	}
	_ = w.WriteMsg(a) // an error here is a client that left
}

// pieces cuts a record into the strings of at most 255 octets it is sent in,
// with the escapes of zone files.
func pieces(s string) []string {
	var out []string
	for len(s) > 200 {
		out, s = append(out, s[:200]), s[200:]
	}
	out = append(out, s)
	for i := range out {
		out[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(out[i])
	}
	return out
}
