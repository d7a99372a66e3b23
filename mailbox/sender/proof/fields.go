package proof

import (
	"bytes"
	"strings"
)

// Field is one header field as it stands, unfolded.
type Field struct{ Name, Value string }

// Fields cuts a header block into fields. It is for showing them and decides
// nothing: what is no field is one without a name, and names keep their spaces.
func Fields(header []byte) []Field {
	var out []Field
	var value []byte // of the field being read, so that folds cost no copies
	flush := func() {
		if n := len(out); n > 0 {
			out[n-1].Value = string(value)
		}
	}
	for line := range bytes.Lines(header) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if len(out) > 0 && (line[0] == ' ' || line[0] == '\t') {
			value = append(append(value, ' '), bytes.Trim(line, " \t")...)
			continue
		}
		name, first, found := bytes.Cut(line, []byte(":"))
		if !found {
			name, first = nil, line
		}
		flush()
		out = append(out, Field{Name: string(name)})
		value = append(value[:0], bytes.Trim(first, " \t")...)
	}
	flush()
	return out
}

// shared reports whether strangers have addresses at a domain too.
func shared(domain string) bool {
	if sharedDomains[domain] {
		return true
	}
	first, rest, _ := strings.Cut(domain, ".")
	return sharedFamilies[first] && strings.Count(rest, ".") < 2
}

// sharedFamilies have a domain in many countries, such as hotmail.fr and
// yahoo.co.uk.
var sharedFamilies = map[string]bool{"hotmail": true, "live": true, "outlook": true, "yahoo": true, "gmx": true, "aol": true, "yandex": true, "protonmail": true}

// sharedDomains are the well-known ones. A domain that is missing here is only
// not pointed out.
var sharedDomains = func() map[string]bool {
	m := map[string]bool{}
	for d := range strings.FieldsSeq(`gmail.com googlemail.com msn.com icloud.com me.com mac.com ymail.com rocketmail.com proton.me pm.me
		tutanota.com tutanota.de tuta.com tuta.io mail.com email.com zoho.com zohomail.eu fastmail.com fastmail.fm hey.com hushmail.com mailbox.org posteo.de
		web.de t-online.de freenet.de arcor.de mail.de 1und1.de ziggo.nl kpnmail.nl planet.nl home.nl hetnet.nl casema.nl xs4all.nl upcmail.nl telenet.be skynet.be
		orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr libero.it virgilio.it alice.it tiscali.it tin.it wp.pl o2.pl interia.pl onet.pl op.pl
		seznam.cz centrum.cz bluewin.ch sapo.pt uol.com.br bol.com.br terra.com.br mail.ru bk.ru inbox.ru list.ru rambler.ru ukr.net
		qq.com 163.com 126.com sina.com naver.com daum.net hanmail.net rediffmail.com comcast.net verizon.net att.net sbcglobal.net cox.net
		btinternet.com sky.com virginmedia.com ntlworld.com bigpond.com shaw.ca rogers.com`) {
		m[d] = true
	}
	return m
}()
