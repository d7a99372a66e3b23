package sendertest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// The desk that the ordinary mails go to.
const (
	Mailbox  = "reset@support.example"
	Authserv = "mx.support.example"
	Boundary = 1 // the Received field of our own server, from the top
)

// Clock is when the ordinary mails are judged.
var Clock = time.Date(2026, 11, 23, 10, 0, 10, 0, time.UTC)

// Post is one mail as it arrives, and what is known about it.
type Post struct {
	Raw      []byte
	From     string // the address that wrote it
	Provider string
	Client   string
	Language string
	// Registered says that From is to be taken for a registered address; the
	// rest are strangers.
	Registered bool
	// Traits name what is out of the common about this mail.
	Traits []string
}

// Ordinary writes n mails that nobody forged: many languages, clients, providers
// and ways of signing, with replies, forwards, attachments, disclaimers, raw
// 8-bit headers and whatever else real mail does. The same seed writes the same
// mails but for the keys. The zone publishes what the signers and the domains'
// DMARC records need.
func Ordinary(seed uint64, n int) ([]Post, Zone) {
	z := Zone{}
	all := houses(NewKey())
	var drawn []int // a house for each ticket
	for i, h := range all {
		for range h.weight {
			drawn = append(drawn, i)
		}
		for _, d := range h.domains {
			if h.dmarc != "" {
				z["_dmarc."+d] = []string{h.dmarc}
			}
			for _, s := range h.signers {
				if s.Domain == "" {
					s.Domain = d
				}
				s.Publish(z)
			}
		}
	}
	posts := make([]Post, n)
	for i := range posts {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, uint64(i))), number: i}
		posts[i] = w.post(&all[drawn[w.IntN(len(drawn))]])
	}
	return posts, z
}

// writer writes one mail.
type writer struct {
	*rand.Rand
	number int
	house  *house
	client *client
	tongue *tongue
	domain string
	self   string
	at     time.Time
	traits []string
	body   string
}

// odds reports true p times in a hundred, and then notes the trait.
func (w *writer) odds(p int, trait string) bool {
	if w.IntN(100) >= p {
		return false
	}
	w.traits = append(w.traits, trait)
	return true
}

func pick[T any](w *writer, list []T) T { return list[w.IntN(len(list))] }

func (w *writer) post(h *house) Post {
	w.house, w.domain = h, pick(w, h.domains)
	w.client, w.tongue = &h.clients[w.IntN(len(h.clients))], &tongues[w.IntN(len(tongues))]
	w.self = pick(w, []string{"admin", "info", "j.mueller", "zoe-de.vries", "it+support", "a_b", "O'Neil", "Ann.Admin", "x"}) + "@" + w.domain
	w.at = Clock.Add(-time.Duration(5+w.IntN(1200)) * time.Second).Truncate(time.Second)
	mail := w.head() + "\r\n" + w.body
	p := Post{From: w.self, Provider: h.name, Client: w.client.name, Language: w.tongue.code, Registered: w.IntN(100) < 85}
	signed := ""
	for _, s := range h.signers {
		if s.Domain == "" {
			s.Domain = w.domain
		}
		if s.Headers == exchSigned && w.IntN(100) < h.withTo {
			s.Headers = exchSignedTo
		}
		signed += s.Sign(mail, w.at.Add(time.Second))
	}
	if h.signers != nil && w.odds(2, "a gateway appended a footer") {
		mail += "\r\n-- \r\nScanned by a mail gateway.\r\n"
	}
	p.Raw, p.Traits = []byte(w.above()+signed+mail), w.traits
	return p
}

// above is what our own server and the hops before it put on top.
func (w *writer) above() string {
	day := func(d time.Duration) string { return w.at.Add(d).Format("Mon, 2 Jan 2006 15:04:05 -0700 (MST)") }
	out := "Return-Path: <" + w.self + ">\r\nDelivered-To: " + Mailbox + "\r\n"
	if w.odds(60, "our server's Authentication-Results") {
		dkim := "dkim=none"
		if len(w.house.signers) > 0 {
			dkim = "dkim=pass header.d=" + w.domain
			if d := w.house.signers[0].Domain; d != "" {
				dkim = "dkim=pass header.d=" + d
			}
		}
		// The gateway's footer would fail here too; an honest server says so in
		// its own words, and the corpus keeps to what it saw before the gateway.
		out += "Authentication-Results: " + Authserv + ";\r\n\t" + dkim + ";\r\n\tspf=pass (sender IP is 192.0.2.10) smtp.mailfrom=" + w.domain + "\r\n"
	}
	out += fmt.Sprintf("Received: from out.%s (out.%s [192.0.2.10])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\tby %s (Postfix) with ESMTPS id %08X\r\n\tfor <%s>; %s\r\n",
		w.domain, w.domain, Authserv, w.Uint32(), Mailbox, day(5*time.Second))
	for i := range w.IntN(6) {
		out += fmt.Sprintf("Received: from hop%d.%s ([2001:db8::%x]) by hop%d.%s\r\n with Microsoft SMTP Server (version=TLS1_2,\r\n cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.8182.16; %s\r\n",
			i+1, w.domain, w.IntN(1<<16), i, w.domain, day(time.Duration(4-i)*time.Second))
	}
	if w.house.ids == "exchange" {
		out += "ARC-Seal: i=1; a=rsa-sha256; s=arcselector10001; d=microsoft.example; cv=none;\r\n b=Yk5Zp0T1mM3q==\r\n" +
			"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=microsoft.example;\r\n s=arcselector10001;\r\n h=From:Date:Subject:Message-ID:Content-Type:MIME-Version;\r\n bh=abc=; b=def=\r\n" +
			"ARC-Authentication-Results: i=1; mx.microsoft.example 1; spf=pass\r\n smtp.mailfrom=" + w.domain + "; dmarc=pass action=none header.from=" + w.domain + "\r\n"
	}
	if w.odds(10, "X-Spam fields with long folded lines") {
		out += "X-Spam-Status: No, score=-2.1 required=5.0 tests=BAYES_00,DKIM_SIGNED,\r\n\tDKIM_VALID,DKIM_VALID_AU,HTML_MESSAGE,RCVD_IN_DNSWL_NONE,SPF_PASS\r\n\tautolearn=ham autolearn_force=no version=4.0.1\r\n"
	}
	return out
}

// id is a Message-ID in the manner of the provider.
func (w *writer) id() string {
	switch w.house.ids {
	case "gmail":
		return fmt.Sprintf("<CA%x+%x=%x@mail.gmail.example>", w.Uint64(), w.Uint64(), w.Uint32())
	case "exchange":
		return fmt.Sprintf("<AM0PR04MB%d%X@AM0PR04MB1234.eurprd04.prod.outlook.example>", w.IntN(9999), w.Uint64())
	case "apple":
		return fmt.Sprintf("<%08X-%04X-4%03X-A%03X-%012X@%s>", w.Uint32(), w.IntN(1<<16), w.IntN(1<<12), w.IntN(1<<12), w.Uint64()>>16, w.domain)
	}
	return fmt.Sprintf("<%s.%d.%x@%s>", w.at.Format("20060102150405"), w.number, w.Uint32(), w.domain)
}

func (w *writer) date() string {
	at := w.at.In(time.FixedZone("CET", 3600))
	return at.Format(pick(w, []string{"Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 -0700 (MST)"}))
}

// references is a chain of earlier mails, folded.
func (w *writer) references() string {
	var all []string
	for range 1 + w.IntN(6) {
		all = append(all, w.id())
	}
	return strings.Join(all, "\r\n ")
}
