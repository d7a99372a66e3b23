package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/oauth2"
)

// Error says why there is no token, and what a person does next.
type Error struct {
	What string // what happened, without any secret
	Next string // what to do, "" when waiting is all
	Stop bool   // it does not get better by waiting
}

func (e *Error) Error() string {
	if e.Next == "" {
		return e.What
	}
	return e.What + ". " + e.Next
}

// Permanent tells whether a person must act.
func (e *Error) Permanent() bool { return e.Stop }

// Advice is what to do next, "" when waiting is all.
func (e *Error) Advice() string { return e.Next }

// answer is an error of a token endpoint (RFC 6749 5.2).
type answer struct {
	Code string `json:"error"`
	Text string `json:"error_description"`
}

// explain puts the failure of an exchange into words: network is the error below HTTP, if there was one.
func explain(k Kind, ctx context.Context, network, err error) error {
	var reply *oauth2.RetrieveError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{What: "the token endpoint did not answer in time", Next: "check that this machine reaches it by https"}
	case ctx.Err() != nil:
		return ctx.Err()
	case network != nil:
		return &Error{What: "the token endpoint cannot be used: " + scrub(network.Error()), Next: "check that this machine reaches it by https"}
	case !errors.As(err, &reply):
		return &Error{What: "what the token endpoint answered holds no token", Next: "check token_url"}
	}
	var a answer
	if json.Unmarshal(reply.Body, &a) != nil || a.Code == "" {
		a.Code, a.Text = reply.ErrorCode, reply.ErrorDescription
	}
	status := reply.Response.StatusCode
	what := fmt.Sprintf("the token endpoint answered %d", status)
	if a.Code != "" {
		what = "the token endpoint refused: " + scrub(a.Code) + quote(a.Text)
	}
	switch {
	case status >= 500 || status == 429 || a.Code == "temporarily_unavailable" || a.Code == "server_error":
		return &Error{What: what}
	case status >= 300 && status < 400:
		return &Error{What: what + ", a redirect, which is not followed", Next: "write the final address into token_url", Stop: true}
	case a.Code == "":
		return &Error{What: what + " and no reason", Next: "check token_url", Stop: true}
	}
	return &Error{What: what, Next: nextStep(k, a), Stop: true}
}

// nextStep is what mends a refusal of a token endpoint.
func nextStep(k Kind, a answer) string {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(a.Code+" "+a.Text, p) {
				return true
			}
		}
		return false
	}
	switch k {
	case Microsoft:
		switch {
		case has("AADSTS65001", "consent_required", "consent"):
			return "Consent is missing: Entra, App registrations, API permissions, Grant admin consent"
		case has("AADSTS700016", "AADSTS90002", "AADSTS900021", "AADSTS900023"):
			return "Check tenant and client_id: they are Directory (tenant) ID and Application (client) ID of the app in Entra"
		case has("invalid_client", "AADSTS7000215", "AADSTS7000222"):
			return "The client secret has expired or is wrong: create a new one in Entra (App registrations, Certificates & secrets) and put its Value, not its ID, into client_secret_file"
		case has("invalid_scope"):
			return "Check scope: it is " + microsoftScope + " outside national clouds"
		}
		return "Check tenant, client_id and the app's permissions in Entra"
	case Google:
		switch {
		case has("unauthorized_client", "access_denied"):
			return "Delegation is missing: Admin console, Security, API controls, Domain-wide delegation: add the service account's client ID with the scope " + googleScope
		case has("Invalid email", "invalid_subject"):
			return "user must be the primary address of a mailbox in your Workspace domain"
		case has("short-lived", "iat"):
			return "This machine's clock is wrong: timedatectl set-ntp true"
		}
		return "The key was deleted or the service account is disabled: create a new key of type JSON and put it into service_account_file"
	}
	switch {
	case has("invalid_grant"):
		return "The refresh token has ended or was revoked: get a new one with the provider's consent page and put it into refresh_token_file"
	case has("invalid_client", "unauthorized_client"):
		return "Check client_id and client_secret_file; secrets expire: create a new one at the provider"
	}
	return "Check client_id, scope and token_url at the provider"
}

// Advice is what a person does after a mail server turned a good token down with answer.
func (s *Source) Advice(answer string) string {
	low := strings.ToLower(answer)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(low, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("smtpclientauthentication is disabled", "5.7.139"):
		return "SMTP AUTH is switched off: Set-CASMailbox -SmtpClientAuthenticationDisabled $false for this mailbox, or in the Microsoft 365 admin center under Mail, Manage email apps"
	case has("not enabled for imap", "imap is disabled", "imap access is disabled", "imap4 is disabled"):
		return "IMAP is switched off for this mailbox or tenant: switch it on (Microsoft: Set-CASMailbox -ImapEnabled $true; Google: Admin console, Gmail, End User Access)"
	}
	switch s.kind {
	case Microsoft:
		return "The token is good, but not for this mailbox: user must be its primary address; give the app FullAccess (New-ServicePrincipal with the Object ID of the " +
			"Enterprise application, Add-MailboxPermission), and see that IMAP, or SMTP AUTH, is on"
	case Google:
		return "See that user is the mailbox's primary address, that the delegation has the scope " + googleScope + ", and that IMAP is on"
	}
	return "See that the token was issued to the account in user, with the right to read and send mail, and that IMAP is on for it"
}

// tokenish finds what could be a token or a secret within a stranger's text.
var tokenish = regexp.MustCompile(`[A-Za-z0-9._~+/=-]{40,}`)

// scrub makes a stranger's text fit for a person's eyes: printable, without anything like a token, at most 200 bytes.
func scrub(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return ' '
	}, s[:min(len(s), 4096)])
	s = strings.Join(strings.Fields(tokenish.ReplaceAllString(s, "...")), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:197], "") + "..."
	}
	return s
}

// quote adds a stranger's text to ours, if there is one.
func quote(s string) string {
	if s = scrub(s); s == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", s)
}
