// Package oracle holds no code, only tests: it sets mailbox/sender beside an
// implementation of DKIM that shares nothing with it, github.com/mjl-/mox, and
// demands that what we call authenticated the other calls signed by the same
// domain, with the same author. It is a module of its own, because mox brings
// eighty packages that nothing else needs.
//
// mox must be v0.0.16 or later: up to v0.0.15 its message.From returns the
// first of two From fields as valid (sender-verification 9.1).
package oracle
