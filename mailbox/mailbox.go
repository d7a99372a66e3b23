// Package mailbox is the medium: a [Watcher] that reads mail folders over IMAP and hands what it finds to an [Inbox],
// a [Postman] that takes letters from an [Outbox] and hands them to an SMTP server, and [Compose], which writes a letter
// down as bytes. It knows no cases, no accounts and no database.
//
// What it promises:
//
//   - The mailbox is never changed: EXAMINE and BODY.PEEK only, and a test reads the transcript.
//   - No mail is skipped in silence. A mail's identity is its [Source], the folder's UIDVALIDITY and its UID; never the
//     Message-ID, never \Seen, never a date. Where a server breaks the rule and gives a UID twice, both mails are read and
//     [Mail.Reuse] tells them apart. A mail that the server will not hand out is handed on with the reason in
//     [Mail.Unfetchable], and does not stop the mails behind it.
//   - What has been read counts only once Inbox.Receive has returned nil. Anything else is read again; Receive is
//     idempotent, so that "done, but reported as failed" costs a repeat and nothing more.
//   - The final dot of an SMTP transaction is written only after Outbox.AtDot has made that fact durable (RFC 1047): a
//     letter whose attempt never reached the dot is known to be unsent, and only the window between the dot and its 250
//     is uncertain.
//   - Every wait has a limit. Passwords, mail bodies and full addresses are never logged.
package mailbox

import (
	"context"
	"time"
)

// Source names one watched folder of one mailbox. It is part of a mail's identity.
type Source struct {
	Mailbox string // the mailbox's own name, as configured
	Folder  string // the IMAP folder, "INBOX" for example
}

// Cursor is the last committed position of a [Source]. The zero value means that the Source has never been read.
type Cursor struct {
	UIDValidity uint32 // 0: never read
	UID         uint32 // every mail up to this UID has been received

	// Backlog is Batch.Backlog as it came with the last batch received under this UIDValidity. An Inbox that keeps it
	// makes the first look safe against a restart in its middle.
	Backlog uint32
}

// Mail is one message as read. Raw is nil when the body was not fetched; a mail of no bytes has an empty Raw that is not
// nil.
type Mail struct {
	UID          uint32
	InternalDate time.Time // when the server received it (RFC 9051 2.3.3)
	Size         int64     // bytes, as the server claims (RFC822.SIZE)
	Header       []byte    // the selected header fields as the server gave them, at most 16 KiB
	Raw          []byte    // the whole mail, or its first 256 KiB when Truncated
	Truncated    bool      // the mail is larger than 1 MiB
	Unfetchable  string    // why the server did not hand the mail out, in words; then Raw and maybe Header are nil
	Backlog      bool      // it was in the folder before the very first look at this Source
	Reuse        int       // how many mails the server gave this UID before, against RFC 9051 2.3.1.1: part of the identity
}

// Batch is what one Inbox.Receive commits: mails and the cursor after them. Mails may be empty when a range held only
// mails that are gone by now.
//
// A mail handed out as Unfetchable may come again in a later batch, with its body: the watcher tries a few more times.
// Such a batch repeats the current cursor, and so does one of mails that the Inbox called missing.
type Batch struct {
	Source      Source
	UIDValidity uint32
	Through     uint32 // the cursor after this batch
	Backlog     uint32 // mails up to this UID were there before the first look; keep it in Cursor.Backlog
	Mails       []Mail
}

// Inbox is where read mail goes. For each Source one batch is received at a time, in order, while Concerns may be asked
// about mails behind it; several folders call concurrently. An error keeps the mail on the server and is tried again
// later.
type Inbox interface {
	// Resume returns the last committed cursor, the zero Cursor if there is none.
	Resume(ctx context.Context, s Source) (Cursor, error)
	// Concerns tells for each header which bodies to fetch. The answer has the length of headers.
	Concerns(ctx context.Context, s Source, headers [][]byte) ([]bool, error)
	// Receive makes rows and cursor durable in one commit. It is idempotent: the same mail may come twice.
	Receive(ctx context.Context, b Batch) error
	// Missing returns those of uids (ascending, all at or below the cursor) that were never received under this
	// UIDVALIDITY, or only as Unfetchable some time ago, ascending.
	Missing(ctx context.Context, s Source, uidvalidity uint32, uids []uint32) ([]uint32, error)
	// Latest returns the last n mails at or below uid, under this UIDVALIDITY: UID, InternalDate, Reuse, and the Header as
	// long as it is kept. They ascend by UID, and those of one UID by Reuse.
	Latest(ctx context.Context, s Source, uidvalidity, uid uint32, n int) ([]Mail, error)
	// Looked records that a look at s was completed just now: everything that it holds has been received. It is called
	// at most once a minute, so that another process can tell a quiet folder from one that nobody reads.
	Looked(ctx context.Context, s Source) error
}

// Letter is one mail to one recipient, rendered once: every attempt sends the same bytes.
type Letter struct {
	ID      int64
	Attempt int       // counts from 1
	Since   time.Time // when its first attempt began; the give-up time is measured from here
	From    string    // envelope sender, "" is the null reverse-path (RFC 5321 4.5.5)
	To      string    // envelope recipient
	Raw     []byte
}

// Phase says how an attempt to send a letter ended, if not well. The values are stored in a database column.
type Phase string

const (
	Refused   Phase = "refused"   // the server said no for good (5xx), or time ran out: a person must look
	Deferred  Phase = "deferred"  // the server said "later" (4xx): again at Outcome.Next
	Unsent    Phase = "unsent"    // known not to have been sent, the dot was never written: again at Outcome.Next
	Uncertain Phase = "uncertain" // the dot was written, no answer came: it may have been delivered (RFC 1047)
)

// Outcome describes a failed attempt.
type Outcome struct {
	Phase Phase
	Code  int       // the SMTP reply code, 0 when the server gave none
	Text  string    // the reply or the error in words, for people; at most 500 bytes
	Next  time.Time // when to try again; zero for Refused
}

// Outbox is where letters come from. Its methods are called by one goroutine at a time.
type Outbox interface {
	// Claim takes the next letter that is due; ok is false when there is none.
	Claim(ctx context.Context) (l Letter, ok bool, err error)
	// AtDot makes durable that the final dot of this attempt is about to be written. After an error the dot is not
	// written and the connection is dropped.
	AtDot(ctx context.Context, id int64, attempt int) error
	// Sent records the server's 250.
	Sent(ctx context.Context, id int64, attempt int, response string) error
	// Failed records how the attempt ended otherwise.
	Failed(ctx context.Context, id int64, attempt int, o Outcome) error
}
