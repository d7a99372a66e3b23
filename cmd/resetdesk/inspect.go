package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/intent"
	"github.com/spf13/cobra"
)

// inspectFlags are the flags of inspect (design 6).
type inspectFlags struct {
	json       bool
	registered []string
	mailboxes  []string
	trust      sender.Trust
	authserv   []string
	relaxed    bool
	nonces     []string
	resolver   string
	now        string
	accounts   string
}

func inspectCommand() *cobra.Command {
	var f inspectFlags
	c := &cobra.Command{
		Use:   "inspect FILE|DIR|-",
		Short: "Explain one mail: who wrote it, and does it ask for a reset",
		Long: `Explain one mail, each *.eml of a folder, or standard input: who really wrote it,
whether it asks for a reset of a second factor, and for whom. No configuration and
no database are needed, and nothing is changed.

Without -resolver the system's DNS is asked for the keys of signatures. With -accounts
the registered addresses are those of the admins in the file.

With -authserv and -boundary the Authentication-Results of our own server count: they
can contradict a verdict, and help a mail whose signature broke on the way to partial.
They are looked for above the boundary Received field, where a server that writes both
puts them, since what stands there cannot come from outside; below it (milters) only
with -position below-boundary and -strip-verified.

The exit code is 0 when every mail was explained, whatever the verdict, 75 when DNS
gave no answer for a single mail that depends on it, 1 when a file cannot be read.`,
		Example: `  resetdesk inspect -registered admin@legit.example -mailbox reset@support.example mail.eml
  resetdesk inspect -json -accounts accounts.csv -mailbox reset@support.example folder/`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.json, "json", false, "print a JSON object a line")
	flags.StringArrayVar(&f.registered, "registered", nil, "a registered `address`; repeats")
	flags.StringArrayVar(&f.mailboxes, "mailbox", nil, "our own `address`, which the mail was sent to; repeats")
	f.trustFlags(c)
	flags.StringVar(&f.resolver, "resolver", "", "the DNS server, `host:port`")
	flags.StringVar(&f.now, "now", "", "judge as if it were this `time`, such as 2026-11-23T10:00:10Z")
	flags.StringVar(&f.accounts, "accounts", "", "the accounts `file` (CSV)")
	return c
}

// trustFlags are about our own mail servers (sender-verification 5.1).
func (f *inspectFlags) trustFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.authserv, "authserv", nil, "the `id` that our own mail server writes into Authentication-Results; repeats; turns -trust rfc8601 on")
	flags.IntVar(&f.trust.Boundary, "boundary", 0, "which Received field from the top our own server wrote; 0 is unknown")
	flags.StringArrayVar(&f.trust.By, "boundary-by", nil, "the `host` that stands behind “by” in it; repeats")
	flags.StringVar((*string)(&f.trust.Mode), "trust", "", "which Authentication-Results can be our own: `mode` off, rfc8601 or exchange-online")
	flags.StringVar((*string)(&f.trust.Position), "position", string(sender.AboveBoundary), "where our own server puts them: `above-boundary` or below-boundary")
	flags.BoolVar(&f.trust.StripVerified, "strip-verified", false, "our own server is known to delete forged ones")
	flags.BoolVar(&f.relaxed, "relaxed", false, "let a parent or child of the sender's domain sign for it")
	flags.StringArrayVar(&f.nonces, "nonce", nil, "a secret reference, `token`, that a letter of ours carried; repeats")
}

// checkTrust fills in what -authserv implies.
func (f *inspectFlags) checkTrust() error {
	f.trust.AuthservIDs = f.authserv
	if f.trust.Mode == "" {
		f.trust.Mode = sender.TrustOff
		if len(f.authserv) > 0 {
			f.trust.Mode = sender.TrustRFC8601
		}
	}
	switch f.trust.Mode {
	case sender.TrustOff, sender.TrustRFC8601, sender.TrustExchange:
	default:
		return wrongUse("inspect: -trust is %q, want off, rfc8601 or exchange-online", f.trust.Mode)
	}
	switch f.trust.Position {
	case sender.AboveBoundary, sender.BelowBoundary:
	default:
		return wrongUse("inspect: -position is %q, want above-boundary or below-boundary", f.trust.Position)
	}
	if f.trust.Boundary < 0 {
		return wrongUse("inspect: -boundary is %d, want 0 or more", f.trust.Boundary)
	}
	return nil
}

// wrongUse is an error of the command line.
func wrongUse(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func (f *inspectFlags) run(c *cobra.Command, target string) error {
	in, err := f.inspector()
	if err != nil {
		return err
	}
	files, single, err := mailsAt(target)
	if err != nil {
		return err
	}
	if !single {
		in.request.Resolver = sender.NewCache(in.request.Resolver, 10_000)
	}
	var failed []error
	deferred := false
	for r := range in.all(c.Context(), files, c.InOrStdin()) {
		if r.err != nil {
			failed = append(failed, r.err)
			continue
		}
		deferred = deferred || r.Verdict == sender.Deferred
		if err := f.print(c.OutOrStdout(), r.inspection); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	if err := c.Context().Err(); err != nil {
		return err
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	if deferred && single {
		return &exitError{exitLater, errors.New("DNS gave no answer; try again later")}
	}
	return nil
}

func (f *inspectFlags) print(w io.Writer, r inspection) error {
	if f.json {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	_, err := io.WriteString(w, r.text())
	return err
}

// inspector is what is known before the first mail is looked at.
type inspector struct {
	request sender.Request
	book    *accountBook
	nonces  []string
}

func (f *inspectFlags) inspector() (*inspector, error) {
	in := &inspector{request: sender.Request{
		Registered: f.registered, Mailboxes: f.mailboxes, Relaxed: f.relaxed, Strangers: true, Resolver: net.DefaultResolver,
	}, nonces: f.nonces}
	for _, list := range [][]string{f.registered, f.mailboxes} {
		for _, a := range list {
			if _, _, err := sender.ParseAddrSpec(a); err != nil {
				return nil, wrongUse("inspect: %q is %w", a, err)
			}
		}
	}
	if err := f.checkTrust(); err != nil {
		return nil, err
	}
	in.request.Trust = f.trust
	if f.resolver != "" {
		if !hostPort(f.resolver) {
			return nil, wrongUse("inspect: -resolver is %q, want host:port", f.resolver)
		}
		in.request.Resolver = &sender.DNS{Server: f.resolver}
	}
	if f.now != "" {
		now, err := time.Parse(time.RFC3339, f.now)
		if err != nil {
			return nil, wrongUse("inspect: -now is %q, want a time such as 2026-11-23T10:00:10Z", f.now)
		}
		in.request.Now = now
	}
	if f.accounts != "" {
		file, err := os.Open(f.accounts)
		if err != nil {
			return nil, fmt.Errorf("inspect: %w", err)
		}
		defer file.Close()
		rows, err := review.ReadAccounts(file)
		if err != nil {
			return nil, fmt.Errorf("inspect: %s:\n%w", f.accounts, err)
		}
		in.book = newAccountBook(rows)
	}
	return in, nil
}

// inspect explains one mail.
func (in *inspector) inspect(ctx context.Context, name string, raw []byte, truncated bool) inspection {
	q := in.request
	q.Raw, q.Truncated = raw, truncated
	if in.book != nil {
		q.Registered = append(in.book.registeredFor(raw), q.Registered...)
	}
	for _, token := range in.nonces {
		for _, address := range q.Registered {
			q.Nonces = append(q.Nonces, sender.Nonce{Token: token, Address: address})
		}
	}
	v := sender.Verify(ctx, q)
	m := message.Read(raw)
	words := intent.Words{Subject: m.Subject, Text: m.Text, Forwarded: m.Forwarded, ForwardedFrom: m.ForwardedFrom}
	r := inspection{
		File: name, Verdict: v.State(), Match: v.Match, From: v.From, Reasons: v.Reasons, Flags: v.Flags,
		Intent: words.Classify(), Users: []string{}, Signatures: v.Signatures, Mentions: []mention{}, Problems: []string{},
		Registered: v.Registered, Evidence: proof.Of(v, raw[:headerLength(raw)]),
	}
	r.Problems = append(r.Problems, m.Problems...)
	if in.book != nil && (v.Match == sender.MatchExact || v.Match == sender.MatchCaseVariant) {
		in.book.resolve(&r, v.Registered, words)
	}
	return r
}
