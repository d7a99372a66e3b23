package simulation

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
)

// strict is the account whose domain wants mail refused that it did not sign.
const strict = accounts - 1

// signers are the keys of the companies' mail servers, the last one that of a
// stranger's, and zone is what the name servers say of them.
func signers(t *testing.T, domains ...string) (all []*mailbox.Signature, zone sendertest.Zone) {
	t.Helper()
	zone = sendertest.Zone{"_dmarc.company" + string(rune('0'+strict)) + ".example": {"v=DMARC1; p=reject"}}
	for _, domain := range domains {
		file := filepath.Join(t.TempDir(), "key.pem")
		key, err := mailbox.NewSignatureKey("ed25519")
		if err == nil {
			err = os.WriteFile(file, key, 0o600)
		}
		var s *mailbox.Signature
		if err == nil {
			s, err = mailbox.LoadSignature(domain, "s1", file)
		}
		if err != nil {
			t.Fatal(err)
		}
		all, zone[s.Name()] = append(all, s), []string{s.Record()}
	}
	return all, zone
}

// sign signs a mail with the key of a company, or of a stranger behind the last.
func (w *town) sign(i int, raw []byte) []byte {
	w.t.Helper()
	signed, err := w.signers[i].Sign(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

// names are the name servers. They can be out of reach.
type names struct {
	zone sendertest.Zone

	mu   sync.Mutex
	fail int // so many questions stay without an answer
}

func (n *names) breakFor(questions int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = questions
}

var errNoAnswer = errors.New("no name server answers")

func (n *names) LookupTXT(ctx context.Context, name string) ([]string, error) {
	n.mu.Lock()
	fails := n.fail > 0
	n.fail = max(0, n.fail-1)
	n.mu.Unlock()
	if fails {
		return nil, &net.DNSError{Err: errNoAnswer.Error(), Name: name, IsTemporary: true}
	}
	return n.zone.LookupTXT(ctx, name)
}

// checkVerdicts: a mail that its server signed is authenticated, however late the name
// servers said so; of one that came twice, the copy that was judged first, which a name
// server that fails can make the second. A day is the longest that a mail waits for them,
// and one that the mail server did not hand out is not read at all.
func (w *town) checkVerdicts() (signed int) {
	w.t.Helper()
	authenticated := map[string]bool{}
	for _, m := range w.mails {
		if v, _ := w.verdict(m); v == "authenticated" {
			authenticated[string(m.raw)] = true
		}
	}
	for _, m := range w.mails {
		if !m.signed || m.gone {
			continue
		}
		signed++
		if v, evidence := w.verdict(m); v != "authenticated" && !(v == "copy" && authenticated[string(m.raw)]) {
			w.t.Errorf("sender: the signed mail %d is %s: %s", m.uid, v, evidence)
		}
	}
	return signed
}

// verdict is what came of a mail: "unread" if there is none, "copy" if that was all that
// spoke against it, "authenticated" too if nobody can tell.
func (w *town) verdict(m *sentMail) (verdict, evidence string) {
	w.t.Helper()
	err := w.plain.QueryRow(`SELECT CASE WHEN i.fate = 'unfetchable' OR a.assessed_at - i.received_at > 86400000000 THEN 'authenticated'
			WHEN a.evidence ->> '$.verdict.reasons' = '["R_REPLAY"]' THEN 'copy' ELSE coalesce(a.verdict, 'unread') END,
			coalesce(a.evidence, '') FROM inbound i LEFT JOIN assessment a ON a.inbound_id = i.id
		WHERE i.uid = $1 AND i.uidvalidity = (SELECT uidvalidity FROM cursor)`, m.uid).Scan(&verdict, &evidence)
	if err != nil {
		return "unread", err.Error()
	}
	return verdict, evidence
}
