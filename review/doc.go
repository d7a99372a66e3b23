// Package review is the desk: cases, evidence, policy, decisions, people, the
// outbox and the audit. It holds all SQL of the desk; its one deep type is
// [Desk], and each exported method of it is one transaction or one query.
//
// The promises that this package keeps, and that schema.sql enforces where a
// statement could break them:
//
//  1. No request is lost: every mail of the watched folders gets exactly one
//     fate with a reason, and its bytes are committed before they are parsed.
//  2. No request is duplicated: a mail is known by (mailbox, folder,
//     UIDVALIDITY, UID); a user has at most one open case.
//  3. Mail starts a reset and never proves it alone; letters go only to
//     addresses of our own database.
//  4. No reset without recorded human approval. The safeguards are predicates
//     of the one transition that clears, read again inside its transaction.
//  5. A reset is whole: one transaction, bound to one generation.
//  6. 2FA is never off: after a reset the user needs an enrollment pass.
//  7. Everyone is told, at least once; a repeat is byte-identical.
//  8. A wrong approval can be undone within the hold.
//  9. It can be proved afterwards: an append-only, hash-chained audit.
//  10. The mailbox is never changed (package mailbox).
package review
