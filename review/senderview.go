package review

import (
	"slices"

	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
)

// showSender puts what the assessment kept about the sender into words. An
// assessment of an earlier version lacks some of it; raw is nil when the bytes
// were forgotten.
func showSender(v *MailView, e evidence, raw []byte) {
	var header []byte
	if raw != nil {
		header = headerOf(raw)
	}
	said := proof.Of(e.Verdict, header)
	switch {
	case slices.Contains(e.Verdict.Reasons, "R_REPLAY"):
		said.Replay = "Its signature, its Message-ID or its very bytes came in an earlier mail."
	case len(e.Verdict.Fingerprints) > 0:
		said.Replay = "Signature, Message-ID and bytes were looked up among all earlier mails: not seen before."
	}
	v.Sender = &said
}
