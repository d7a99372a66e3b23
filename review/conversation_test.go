package review_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/resetdesk/resetdesk/review"
)

// TestConversations plays the sequences of mails in testdata/conversations.txt. A
// sequence begins with "== NAME"; each further line is one step or what must hold
// after the steps above it:
//
//	mail FROM PROOF "SUBJECT" [HEADER: VALUE] | TEXT   one mail comes in
//	case N STATE [USER or -] [by HOLDER]               of the Nth case
//	fate FATE PART                                     of the last mail, with a part of its reason
//	letters KIND:TO ...                                queued since this was last asked, "none" for none
//	timeline N ACTION ...                              of the Nth case, the last events
//	check NAME VALUE                                   of the last case: votes, answers, round, earlier, hash (of its evidence, since last asked);
//	                                                   of the desk: cases, resets, alarm (cases on hold or objected to), verdict of the last mail
//	do ACT [N]                                         somebody on the desk or the clock acts
//
// The proof is signed, partial or forged. In subjects, headers and texts {N} is
// the number of the Nth case, {subject N} the subject of its confirm letter,
// {id N} the Message-ID of that letter, {letter N} its text, \n a line break.
func TestConversations(t *testing.T) {
	text, err := os.ReadFile("testdata/conversations.txt")
	if err != nil {
		t.Fatal(err)
	}
	sequences := strings.Split("\n"+string(text), "\n== ")[1:]
	for _, s := range sequences {
		name, steps, _ := strings.Cut(s, "\n")
		t.Run(name, func(t *testing.T) {
			talk := newTalk(t)
			inHouse(t, func(c *review.Config) { c.Resolver = talk.zone }, func(t *testing.T, h *house) {
				talk.house = h
				h.importFile(accountsFile + "A-1001,ACME GmbH,de,U-10,udo,udo@acme.example,admin,0,,\n")
				h.enroll("U-4", "")
				h.enroll("U-1", "")
				time.Sleep(time.Minute)
				for i, line := range strings.Split(steps, "\n") {
					if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
						continue
					}
					if err := talk.step(line); err != nil {
						t.Fatalf("line %d, %s: %v", i+1, line, err)
					}
				}
				h.accounted(int(h.uid))
			})
		})
	}
	if len(sequences) < 25 {
		t.Errorf("only %d sequences", len(sequences))
	}
}

// A talk is one sequence on its way.
type talk struct {
	*house
	key     ed25519.PrivateKey
	zone    *dnsZone
	letters map[string]letter // the last of each case and kind
	hash    string            // of the evidence when last asked
	seen    int64             // the last letter asked for
}

func newTalk(t *testing.T) *talk {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &talk{key: private, letters: map[string]letter{},
		zone: &dnsZone{name: "s1._domainkey.acme.example", record: "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}}
}

func (k *talk) sign(mail, proof string) (string, error) {
	fields := []string{"From", "Subject", "Date", "Message-ID", "Content-Type"}
	switch proof {
	case "forged":
		return mail, nil
	case "signed":
		fields = append(fields, "To", "Cc", "Reply-To")
	case "partial":
	default:
		return "", fmt.Errorf("no proof %q", proof)
	}
	var out bytes.Buffer
	err := dkim.Sign(&out, strings.NewReader(strings.ReplaceAll(mail, "\n", "\r\n")), &dkim.SignOptions{Domain: "acme.example", Selector: "s1",
		Signer: k.key, HeaderCanonicalization: dkim.CanonicalizationRelaxed, HeaderKeys: fields})
	return strings.ReplaceAll(out.String(), "\r\n", "\n"), err
}

var (
	mailStep = regexp.MustCompile(`^mail (\S+) (\S+) "([^"]*)"([^|]*)\| (.*)$`)
	quote    = regexp.MustCompile(`\{(\w+ )?(\d)\}`)
)

func (k *talk) step(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	switch verb {
	case "mail":
		return k.mail(line)
	case "fate":
		fate, reason := k.fate()
		if part := strings.TrimPrefix(rest, words[0]+" "); fate != words[0] || !strings.Contains(reason, k.fill(part)) {
			return fmt.Errorf("it is %s: %s", fate, reason)
		}
		return nil
	case "case":
		return k.checkCase(words)
	case "letters":
		return k.checkLetters(words)
	case "timeline":
		var got []string
		for _, e := range k.view(k.number(words[0])).Timeline {
			got = append(got, e.Action)
		}
		if n := len(words) - 1; len(got) < n || !slices.Equal(got[len(got)-n:], words[1:]) {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	case "check":
		return k.check(words[0], words[1])
	case "do":
		return k.do(words)
	}
	return fmt.Errorf("no step %q", verb)
}

func (k *talk) mail(line string) error {
	m := mailStep.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("no mail")
	}
	time.Sleep(time.Minute)
	raw := request(k.fill(m[1]), k.fill(m[3]), strings.ReplaceAll(k.fill(m[5]), `\n`, "\n"))
	if extra := strings.TrimSpace(k.fill(m[4])); extra != "" {
		raw = extra + "\n" + raw
	}
	raw, err := k.sign(raw, m[2])
	if err != nil {
		return err
	}
	k.deliver(raw)
	k.send()
	return nil
}

// send lets the postman work and keeps the last letter of each case and kind.
func (k *talk) send() {
	for _, l := range k.post() {
		id := strings.Split(strings.Trim(headerOf(k.t, l.raw, "Message-Id"), "<"), ".")
		k.letters[strings.ToUpper(id[0])+" "+id[1]] = l
	}
}

// number is that of the nth case.
func (k *talk) number(n string) string {
	return k.text(`SELECT number FROM reset_case ORDER BY id LIMIT 1 OFFSET $1 - 1`, n)
}

func (k *talk) fill(s string) string {
	return quote.ReplaceAllStringFunc(s, func(q string) string {
		p := quote.FindStringSubmatch(q)
		number := k.number(p[2])
		l := k.letters[number+" acknowledgement"]
		switch strings.TrimSpace(p[1]) {
		case "subject":
			return l.subject
		case "id":
			return headerOf(k.t, l.raw, "Message-Id")
		case "letter":
			return "> " + strings.ReplaceAll(l.text, "\n", "\n> ")
		}
		return number
	})
}

func (k *talk) checkCase(words []string) error {
	number := k.number(words[0])
	if number == "" {
		return fmt.Errorf("there is no such case")
	}
	v := k.view(number)
	got := []string{words[0], string(v.State)}
	if len(words) > 2 {
		got = append(got, map[bool]string{true: "-", false: v.UserID}[v.UserID == ""])
	}
	if len(words) > 3 {
		got = append(got, "by", v.HeldBy+v.ClosedBy)
	}
	if !slices.Equal(got, words) {
		return fmt.Errorf("it is %v (%s)", got, v.HeldReason)
	}
	return nil
}

func (k *talk) checkLetters(want []string) error {
	rows, err := stringsOf(k.sql(), `SELECT kind || ':' || substr(recipient, 1, instr(recipient, '@') - 1) FROM letter WHERE id > $1 ORDER BY kind, recipient`, k.seen)
	if err != nil {
		return err
	}
	k.seen = int64(k.count(`SELECT coalesce(max(id), 0) FROM letter`))
	if want[0] == "none" {
		want = nil
	}
	if !slices.Equal(rows, want) {
		return fmt.Errorf("they are %v", rows)
	}
	return nil
}

func (k *talk) check(what, want string) error {
	var v review.CaseView
	id := k.count(`SELECT coalesce(max(id), 0) FROM reset_case`)
	if id > 0 {
		v = k.onlyCase()
	}
	var got string
	switch what {
	case "votes":
		got = fmt.Sprint(k.count(`SELECT count(*) FROM approval WHERE case_id = $1`, id))
	case "answers":
		got = fmt.Sprint(k.count(`SELECT count(*) FROM answer WHERE case_id = $1`, id))
	case "round":
		got = fmt.Sprint(k.count(`SELECT round FROM reset_case WHERE id = $1`, id))
	case "cases":
		got = fmt.Sprint(k.count(`SELECT count(*) FROM reset_case`))
	case "resets":
		got = fmt.Sprint(k.count(`SELECT count(*) FROM reset`))
	case "earlier":
		for _, l := range v.Earlier {
			got += l.Number
			if later := k.view(l.Number).Later; len(later) == 0 || later[len(later)-1].Number != v.Number {
				return fmt.Errorf("%s does not show %s: %v", l.Number, v.Number, later)
			}
		}
		want = k.fill(want)
		if want == "none" {
			want = ""
		}
	case "hash":
		got = map[bool]string{true: "same", false: "other"}[v.EvidenceHash == k.hash]
		k.hash = v.EvidenceHash
		if want == "new" {
			return nil
		}
	case "alarm":
		page, err := k.desk.Queue(k.t.Context(), k.rita, review.QueueFilter{Tab: review.TabHeld})
		if err != nil {
			return err
		}
		got = fmt.Sprint(len(page.Cases))
	case "verdict":
		got = k.text(`SELECT verdict FROM assessment ORDER BY inbound_id DESC LIMIT 1`)
	default:
		return fmt.Errorf("nothing to check is called %q", what)
	}
	if got != want {
		return fmt.Errorf("it is %s", got)
	}
	return nil
}

func (k *talk) do(words []string) error {
	ctx := k.t.Context()
	n := "1"
	if len(words) > 1 {
		n = words[1]
	}
	number := k.number(n)
	v := review.CaseView{}
	if number != "" {
		v = k.view(number)
	}
	link := func(kind string) string {
		if m := linkPattern.FindStringSubmatch(k.letters[number+" "+kind].text); m != nil {
			return m[1]
		}
		return ""
	}
	var err error
	switch words[0] {
	case "confirm":
		err = k.desk.Answer(ctx, link("acknowledgement"), review.Reply{Yes: true, UserID: v.UserID, IP: "127.0.0.1"})
	case "choose":
		err = k.desk.Answer(ctx, link("acknowledgement"), review.Reply{Yes: true, UserID: words[2], IP: "127.0.0.1"})
	case "deny":
		err = k.desk.Answer(ctx, link("acknowledgement"), review.Reply{IP: "127.0.0.1"})
	case "undo":
		err = k.desk.Undo(ctx, link("cleared"), "127.0.0.1")
	case "vote":
		_, err = k.approve(k.rita, v)
	case "resume":
		err = k.desk.ResumeCase(ctx, k.rita, decision(v, "", "called the number on file"))
	case "reject":
		err = k.desk.Reject(ctx, k.rita, decision(v, "other", ""))
	case "open": // a person makes a case of the last parked mail
		_, err = k.desk.OpenParked(ctx, k.rita, int64(k.count(`SELECT max(id) FROM inbound WHERE fate = 'parked'`)))
	case "wait":
		d, bad := time.ParseDuration(words[1])
		if bad != nil {
			return bad
		}
		time.Sleep(d)
		k.work()
		err = k.desk.Tick(ctx)
		k.rita = k.signIn("rita@host.example", k.rita.Reviewer.Holder)
	default:
		return fmt.Errorf("nobody can %q", words[0])
	}
	k.send()
	return err
}

// In a mailbox that is not ours alone a contact's mail is read, whatever its
// subject, while there is something to object to.
func TestConcernsContacts(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		headers := [][]byte{[]byte(request("it@acme.example", "Stop", "")), []byte(request("Jane <jane@acme.example>", "Stop", "")), []byte(request("x@acme.example", "Stop", ""))}
		read := func(want ...bool) {
			t.Helper()
			if got, err := h.desk.Concerns(t.Context(), inbox, headers); err != nil || !slices.Equal(got, want) {
				t.Errorf("read are %v, %v", got, err)
			}
		}
		read(false, false, false)
		h.clearFor("anna@acme.example", lostPhone)
		read(true, true, false)
		time.Sleep(80 * time.Hour) // the hold is over
		read(false, false, false)
		v, _ := h.ask("anna@acme.example", lostPhone)
		read(true, true, false)
		h.rita = h.signIn("rita@host.example", h.rita.Reviewer.Holder)
		if err := h.desk.Reject(t.Context(), h.rita, decision(v, "other", "")); err != nil {
			t.Fatal(err)
		}
		read(false, false, false)
	})
}

// Strangers who know a case's number cannot keep its contacts from being heard,
// however much they send.
func TestStrangersLeaveRoom(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", lostPhone)
		for i := range 100 {
			h.deliver(request(fmt.Sprintf("x%d@evil.example", i), "Re: "+v.Number, "This was not us, do not reset the two-factor authentication, I object."))
		}
		if n := h.count(`SELECT count(*) FROM case_mail WHERE role = 'foreign'`); n != 40 {
			t.Errorf("%d mails of strangers joined the case", n)
		}
		for range 100 { // in the name of the contacts, who say something else
			h.deliver(request("anna@acme.example", "2FA", lostPhone), request("it@acme.example", "Re: "+v.Number, "Thanks, got it."))
		}
		if n := h.count(`SELECT count(*) FROM case_mail WHERE role <> 'foreign'`); n != 81 {
			t.Errorf("%d mails in the name of contacts joined the case", n)
		}
		if n := h.count(`SELECT count(*) FROM inbound WHERE fate = 'parked' AND reason LIKE '%as many mails that nothing proves did%'`); n != 60 {
			t.Errorf("%d more requests are parked", n)
		}
		h.deliver(request("boss@acme.example", "Re: "+v.Number, "What is this about? Please call me."))
		if fate, reason := h.fate(); fate != "attached" {
			t.Errorf("a contact's question is %s: %s", fate, reason)
		}
		h.deliver(request("it@acme.example", "two-factor authentication", "This was not us! Do not reset the two-factor authentication of jane."))
		if fate, reason := h.fate(); fate != "attached" {
			t.Errorf("a contact's objection is %s: %s", fate, reason)
		}
		got := h.view(v.Number)
		if got.State != review.StateHeld || got.Mails[1].From != "it@acme.example" || got.Mails[2].From != "boss@acme.example" {
			t.Errorf("the case is %s and shows %s and %s first", got.State, got.Mails[1].From, got.Mails[2].From)
		}
		for _, c := range got.Checks {
			if c.Title == "Later mails" && c.Result != "fail" {
				t.Errorf("%+v", c)
			}
		}
	})
}
