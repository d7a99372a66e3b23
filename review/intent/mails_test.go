package intent_test

import (
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/review/intent"
)

// tongues are the languages that are understood.
var tongues = []string{"en", "nl", "de", "fr", "es", "it", "pl", "pt"}

// A letter is one mail of testdata/mails. The two halves of that corpus are told
// apart by a hash of the id. The rules are tuned on one half, whose failures a
// test prints. The other half is only measured: no test prints more of it than
// totals. All mails were written before the rules of the five newer languages
// existed and before those of the three others were touched. The same person
// wrote the mails and the rules, and many situations come back in every
// language: the numbers say how the rules generalise over wordings, not how they
// do on the mail of strangers. The file more.txt was written while the rules were
// tuned. At the first look at them, its 88 mails "x", chosen to be hard, came to
// recall 0.92 and precision 0.84 (with those tuned on before), and its 41 later
// ones "y" to none of 24 missed and three false alarms.
//
// The file second.txt is a second held-out part: 74 mails in odd styles (dictated,
// from ticket systems, mixed languages, careless or very polite), half of them no
// requests, written after the rules and in one go. At the first look at them, with
// no rule touched, they came to recall 0.946, precision 0.921, account and users
// 0.946 of 37, replies 0.7 of 10. Their failures were tuned on since.
type letter struct {
	id      string
	request bool
	users   string // logins asked for; "self"; "-" for nobody
	account string // the one meant; "?" if open; "" if the address has one only
	reply   string
	mail    message.Message
}

func (l *letter) measured() bool {
	if strings.Contains(l.id, "-x") || strings.Contains(l.id, "-y") || l.second() { // of more.txt and second.txt
		return false
	}
	h := fnv.New32a()
	h.Write([]byte(l.id))
	return h.Sum32()>>3&1 == 1
}

func (l *letter) second() bool { return strings.Contains(l.id, "-z") }

// letters reads the mails of one language: "== ID yes|no [USERS] [@ACCOUNT]
// [reply=KIND]", a line for the subject, and the body. A first body line "<html
// note>" marks HTML.
func letters(t testing.TB, language string) []letter {
	t.Helper()
	var text string
	for _, name := range []string{language, "more", "second"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "mails", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		text += "\n" + string(raw)
	}
	var all []letter
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "\n== "), "\n== ") {
		head, rest, _ := strings.Cut(part, "\n")
		subject, body, _ := strings.Cut(rest, "\n")
		fields := strings.Fields(head)
		if !strings.HasPrefix(head, language) {
			continue // more.txt and second.txt have all languages
		}
		l := letter{id: fields[0], request: fields[1] == "yes", mail: mailOf(subject, body)}
		for _, f := range fields[2:] {
			switch {
			case f[0] == '@':
				l.account = f[1:]
			case strings.HasPrefix(f, "reply="):
				l.reply = f[len("reply="):]
			default:
				l.users = f
			}
		}
		all = append(all, l)
	}
	return all
}

func mailOf(subject, body string) message.Message {
	kind := "plain"
	if html, ok := strings.CutPrefix(body, "<html note>\n"); ok {
		kind, body = "html", html
	}
	return message.Read([]byte("From: Mia Keller <mia.keller@bakker.example>\nSubject: " + subject +
		"\nContent-Type: text/" + kind + "; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + body))
}

// TestMails measures requests over the corpus of eight languages.
func TestMails(t *testing.T) {
	for _, measured := range []bool{false, true} {
		var all tally
		for _, language := range tongues {
			var one tally
			for _, l := range letters(t, language) {
				if l.measured() == measured {
					one.add(weigh(t, &l, language))
				}
			}
			t.Logf("measured %v: %s n %3d, recall %.3f (missed %d), precision %.3f (%d false), language taken for another: %d", measured, language,
				one.mails, one.recall(), one.missed, one.precision(), one.alarm, one.tongue)
			all.add(one)
			if one.recall() < 0.9 || one.precision() < 0.9 {
				t.Errorf("%s: recall %.3f, precision %.3f: want 0.9 of both", language, one.recall(), one.precision())
			}
		}
		t.Logf("measured %v: all n %3d, recall %.3f, precision %.3f", measured, all.mails, all.recall(), all.precision())
		if all.recall() < 0.97 || all.precision() < 0.97 {
			t.Errorf("recall %.3f, precision %.3f: want 0.97 of both", all.recall(), all.precision())
		}
	}
}

func (l *letter) words() intent.Words {
	return intent.Words{Subject: l.mail.Subject, Text: l.mail.Text, Forwarded: l.mail.Forwarded, ForwardedFrom: l.mail.ForwardedFrom}
}

func weigh(t *testing.T, l *letter, language string) tally {
	n := tally{mails: 1}
	r := l.words().Classify()
	switch {
	case l.request && r.Request:
		n.hit++
	case l.request:
		n.missed++
	case r.Request:
		n.alarm++
	}
	if r.Language != language && r.Language != "" {
		n.tongue++
	}
	if l.request != r.Request && !l.measured() {
		t.Logf("%s wrong (%.2f, %q): %s\n%s\nforwarded: %q\n%v", l.id, r.Score, r.Language, l.mail.Subject, l.mail.Text, l.mail.Forwarded, r.Signals)
	}
	return n
}

// TestMailsSecond measures the second held-out part alone.
func TestMailsSecond(t *testing.T) {
	var all tally
	asked, right := 0, 0
	for _, language := range tongues {
		var one tally
		for _, l := range letters(t, language) {
			if !l.second() {
				continue
			}
			one.add(weigh(t, &l, language))
			if !l.request {
				continue
			}
			asked++
			if account, users := l.whom(); account == l.wantAccount() && users == l.users {
				right++
			}
		}
		t.Logf("%s n %2d, recall %.3f (missed %d), precision %.3f (%d false)", language, one.mails, one.recall(), one.missed, one.precision(), one.alarm)
		all.add(one)
	}
	t.Logf("all n %d, recall %.3f, precision %.3f, account and users right %.3f of %d", all.mails, all.recall(), all.precision(), float64(right)/float64(asked), asked)
	if all.recall() < 0.95 || all.precision() < 0.95 {
		t.Errorf("recall %.3f, precision %.3f: want 0.95 of both", all.recall(), all.precision())
	}
}

// TestMailsReply measures what is read in answers to our letters.
func TestMailsReply(t *testing.T) {
	for _, measured := range []bool{false, true} {
		all, good := 0, 0
		for _, language := range tongues {
			for _, l := range letters(t, language) {
				if l.reply == "" || l.measured() != measured {
					continue
				}
				all++
				if r := l.words().Classify(); string(r.Reply) == l.reply {
					good++
				} else if !measured {
					t.Logf("%s: reply %q, want %q: %s", l.id, r.Reply, l.reply, l.mail.Text)
				}
			}
		}
		t.Logf("measured %v: replies n %2d, right %.3f", measured, all, float64(good)/float64(all))
		if float64(good) < 0.85*float64(all) {
			t.Errorf("%d of %d right: want 0.85", good, all)
		}
	}
}

// TestMailsSmell holds that no request is left unread for its subject: one that
// names the matter smells of it (design 2, promise 1).
func TestMailsSmell(t *testing.T) {
	for _, language := range tongues {
		for _, l := range letters(t, language) {
			if l.request && intent.Classify(l.mail.Subject, "").Request && !intent.SmellsOf2FA(l.mail.Subject) {
				t.Errorf("%s: %q does not smell", l.id, l.mail.Subject)
			}
		}
	}
}

// The accounts that the writer of all mails is an admin of: the first, or both
// where a mail's account is given.
var accounts = []intent.Account{
	{ID: "A-1003", Name: "Bakker Media", People: []intent.Person{
		{ID: "self", Login: "mkeller", Email: "mia.keller@bakker.example", Name: "Mia Keller"},
		{ID: "sam", Login: "sam", Email: "sam.okafor@bakker.example", Name: "Sam Okafor"},
		{ID: "p.nowak", Login: "p.nowak", Email: "p.nowak@bakker.example", Name: "Paweł Nowak"},
		{ID: "admin", Login: "admin", Email: "office@bakker.example", Name: "Front Office"},
		{ID: "support", Login: "support", Email: "zoe@bakker.example", Name: "Zoë Lemaître"},
		{ID: "jmueller", Login: "jmueller", Email: "jm@bakker.example", Name: "Jörg Müller"},
		{ID: "lucia99", Login: "lucia99", Email: "lucia@bakker.example", Name: "Lucía Fernández"},
		{ID: "test", Login: "test", Email: "joao@bakker.example", Name: "João Araújo"},
		{ID: "will", Login: "will", Email: "will@bakker.example", Name: "Will van den Berg"},
		{ID: "dev-lena", Login: "dev-lena", Email: "lena@bakker.example", Name: "Lena Russo"},
		{ID: "de", Login: "de", Name: "Van"}, {ID: "info", Login: "info"}, {ID: "may", Login: "may", Name: "May"},
	}},
	{ID: "A-2044", Name: "Studio Nord", People: []intent.Person{
		{ID: "self2", Login: "mia2044", Email: "mia.keller@bakker.example", Name: "Mia Keller"},
		{ID: "anna", Login: "anna", Email: "anna@nord.example", Name: "Anna Berger"},
		{ID: "shop2044", Login: "shop2044"},
	}},
}

// TestMailsName measures whom the requests of the corpus are for.
func TestMailsName(t *testing.T) {
	for _, measured := range []bool{false, true} {
		all, good := 0, 0
		for _, language := range tongues {
			n, right := 0, 0
			for _, l := range letters(t, language) {
				if l.measured() != measured || !l.request {
					continue
				}
				n++
				if account, users := l.whom(); account == l.wantAccount() && users == l.users {
					right++
				} else if !measured {
					t.Logf("%s: account %q, users %s; want %q, %s\n%s\n%s", l.id, account, users, l.wantAccount(), l.users, l.mail.Subject, l.mail.Text)
				}
			}
			t.Logf("measured %v: %s n %2d, account and users right %.3f", measured, language, n, float64(right)/float64(n))
			all, good = all+n, good+right
		}
		t.Logf("measured %v: all n %2d, account and users right %.3f", measured, all, float64(good)/float64(all))
		if float64(good) < 0.95*float64(all) {
			t.Errorf("%d of %d right: want 0.95", good, all)
		}
	}
}

// whom returns the account and the users that a mail is read to mean.
func (l *letter) whom() (account, users string) {
	of := accounts[:1]
	if l.account != "" {
		of = accounts
	}
	w := l.words()
	r := w.Classify()
	found := r.Whom(w, r.AccountsNamed(w, of), "mia.keller@bakker.example")
	var ids []string
	for _, target := range found.Targets {
		ids = append(ids, target.User)
	}
	if len(ids) == 0 {
		return found.Account, "-"
	}
	return found.Account, strings.Join(ids, ",")
}

func (l *letter) wantAccount() string {
	switch l.account {
	case "":
		return "A-1003"
	case "?":
		return ""
	}
	return l.account
}

// BenchmarkMails reads and weighs the mails of the corpus, one after the other.
func BenchmarkMails(b *testing.B) {
	var all []letter
	for _, language := range tongues {
		all = append(all, letters(b, language)...)
	}
	for i := 0; b.Loop(); i++ {
		all[i%len(all)].whom()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
