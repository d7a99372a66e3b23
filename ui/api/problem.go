package api

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A kind is a sort of problem: its name is the fragment of the page of problems.
type kind struct {
	name, title string
	status      int
	advice      string // what to do, for people who write panels
}

// kinds are all problems, in the order of their page.
var kinds []*kind

func newKind(name string, status int, title, advice string) *kind {
	k := &kind{name, title, status, advice}
	kinds = append(kinds, k)
	return k
}

var (
	noKey        = newKind("no-key", 401, "No valid API key", "Send the header Authorization: Bearer and a key that lives. Unknown, revoked and expired keys look alike.")
	wrongAddress = newKind("address", 403, "The key may not be used from here", "The key has a list of networks and the request came from another one. Make a key for this network.")
	noScope      = newKind("scope", 403, "The key lacks a scope", "The member scope names what is missing. Scopes of a key never change: make another key.")
	denied       = newKind("denied", 403, "Not allowed", "The detail says why.")
	noRoute      = newKind("no-route", 404, "There is nothing at this path", "See openapi.json for what there is. Percent-encode ids in paths.")
	notFound     = newKind("not-found", 404, "Not found", "What the path names does not exist, or was removed.")
	unknownUser  = newKind("unknown-user", 404, "Unknown user", "Register the user first: PUT /accounts/{id}/users/{user}.")
	noMethod     = newKind("method", 405, "The path has no such method", "The header Allow names the methods.")
	conflict     = newKind("conflict", 409, "Not possible in the present state", "The detail says why. Read the state again.")
	busy         = newKind("in-progress", 409, "The same request is under way", "Another request with this Idempotency-Key has not been answered yet. Repeat it after retry_after seconds.")
	outcome      = newKind("outcome-unknown", 409, "It is not known whether this request was carried out", "The server stopped between the act and the answer. Read the state that the detail names, then go on with a new Idempotency-Key.")
	notEnrolled  = newKind("not-enrolled", 409, "No second factor", "The user has no active factor, or no enrollment that waits for its code.")
	passNeeded   = newKind("pass-required", 409, "An enrollment pass is required", "The factor was reset. Never let the user in on the password alone: ask for the pass from the letter and begin an enrollment with it.")
	expired      = newKind("expired", 410, "Expired", "The enrollment or the pass is too old. Begin again.")
	changedKind  = newKind("changed", 412, "It changed meanwhile", "If-Match does not fit. Read again and repeat the change.")
	tooLarge     = newKind("too-large", 413, "The body is too large", "JSON bodies have at most 64 KiB, imports 32 MiB.")
	mediaKind    = newKind("media-type", 415, "The body has the wrong type", "Send Content-Type: application/json in UTF-8, not compressed; for an import text/csv or application/x-ndjson.")
	otherHost    = newKind("host", 421, "This is not the address of the desk", "Use the name of base_url.")
	jsonKind     = newKind("json", 400, "The body cannot be read", "The detail says what is wrong with the JSON.")
	memberKind   = newKind("unknown-member", 400, "The body has a member that is not known", "The member field names it. Nothing was done.")
	invalidKind  = newKind("invalid", 422, "Something is missing or wrong", "The member field names it; errors lists every fault of accounts and files.")
	otherRequest = newKind("key-reused", 422, "The Idempotency-Key belongs to another request", "Use a new Idempotency-Key for every new request.")
	codeInvalid  = newKind("code-invalid", 422, "The code is not valid", "Ask the user again. drift says how many seconds the clock of the device is off, when that is the reason.")
	codeUsed     = newKind("code-used", 422, "This code was just used", "The code is right, but somebody has used it. Ask for the next one, after retry_after seconds.")
	passInvalid  = newKind("pass-invalid", 422, "The enrollment pass is not valid", "It is mistyped, or a newer one was mailed.")
	proofNeeded  = newKind("proof-required", 422, "A current code is required", "The user has a factor. Send a code of it as code.")
	required     = newKind("required", 409, "A second factor is mandatory", "The user cannot turn it off; a new authenticator can take its place.")
	tooMany      = newKind("too-many-devices", 409, "There are two authenticators already", "Remove one first.")
	deviceName   = newKind("device-name", 422, "The name of the device is not one", "At most 60 characters, no control characters.")
	lastDevice   = newKind("last-device", 409, "It is the last authenticator", "Turn the second factor off, if that is what the user wants.")
	lockedKind   = newKind("locked", 423, "Too many wrong codes", "Nothing was compared. Try again after retry_after seconds.")
	frozenKind   = newKind("frozen", 423, "The user is frozen", "A reset was taken back. A person of the desk must look first.")
	holdKind     = newKind("hold", 423, "On hold after a reset", "The act has to wait until the time in until.")
	tooFastKind  = newKind("too-many-requests", 429, "Too many requests", "Wait retry_after seconds.")
	internalKind = newKind("internal", 500, "Internal error", "Give the reference to the operator of the desk. Whether the request was carried out is not known: read the state before you repeat it.")
)

// A problem is a refusal as RFC 9457 has it. more are its extra members.
type problem struct {
	*kind
	detail string
	more   map[string]any
}

func (p *problem) Error() string { return p.title }

func newProblem(k *kind, detail string) *problem { return &problem{kind: k, detail: detail} }

func (p *problem) with(name string, value any) *problem {
	q := *p
	q.more = map[string]any{name: value}
	for k, v := range p.more {
		q.more[k] = v
	}
	return &q
}

var (
	errNoKey     = newProblem(noKey, "The request carries no key, or one that is unknown, revoked or expired.")
	errAddress   = newProblem(wrongAddress, "The key does not allow the address that this request came from.")
	errNoRoute   = newProblem(noRoute, "There is nothing here.")
	errNoMethod  = newProblem(noMethod, "The path exists and does not take this method.")
	errOtherHost = newProblem(otherHost, "The Host of the request is not that of base_url.")
	errTooLarge  = newProblem(tooLarge, "The body is larger than what is read here.")
	errMediaType = newProblem(mediaKind, "Send Content-Type: application/json; an import is text/csv or application/x-ndjson. UTF-8, not compressed.")
)

func missingScope(s review.Scope) *problem {
	return newProblem(noScope, "The key has no scope "+string(s)+".").with("scope", s)
}

func invalid(field, detail string) *problem {
	p := newProblem(invalidKind, detail)
	if field != "" {
		p = p.with("field", field)
	}
	return p
}

func badJSON(detail string) *problem { return newProblem(jsonKind, detail) }

func unknownMember(name string) *problem {
	return newProblem(memberKind, fmt.Sprintf("%q is no member of this request.", clip(name))).with("field", clip(name))
}

func tooFast(wait time.Duration) *problem {
	return newProblem(tooFastKind, "Too many requests came at once.").after(wait)
}

// after says when to try again, as a member and as a header.
func (p *problem) after(wait time.Duration) *problem {
	return p.with("retry_after", int64(math.Ceil(max(wait, time.Second).Seconds())))
}

// fromDesk explains an error that the desk means for people.
func fromDesk(err error) *problem {
	var lines *review.AccountsError
	if errors.As(err, &lines) {
		p := newProblem(invalidKind, fmt.Sprintf("Nothing was changed. Faults: %d.", len(lines.Lines)+lines.More)).with("errors", lines.Lines)
		if lines.More > 0 {
			p = p.with("more_errors", lines.More)
		}
		return p
	}
	var e *review.Error
	if !errors.As(err, &e) {
		return nil
	}
	k, known := deskKinds[e.Kind]
	if !known {
		return nil
	}
	p := newProblem(k, e.Message)
	if e.Field != "" {
		p = p.with("field", e.Field)
	}
	if e.Kind == review.TooMany {
		p = p.after(time.Minute)
	}
	return p
}

var deskKinds = map[review.Kind]*kind{review.NotFound: notFound, review.Invalid: invalidKind, review.Denied: denied,
	review.Stale: changedKind, review.Conflict: conflict, review.TooMany: tooFastKind}

// fromBook explains an answer of the book of second factors.
func fromBook(err error) *problem {
	var used *totp.UsedError
	var locked *totp.LockedError
	var hold *totp.HoldError
	switch {
	case errors.As(err, &used):
		return newProblem(codeUsed, "The code was right and is used up.").after(used.RetryAfter)
	case errors.As(err, &locked):
		return newProblem(lockedKind, "Too many codes were wrong.").after(locked.RetryAfter)
	case errors.As(err, &hold):
		return newProblem(holdKind, "The factor of the user was reset lately.").with("until", hold.Until.UTC()).with("action", hold.Action)
	}
	var drift *totp.DriftError
	if errors.As(err, &drift) {
		return newProblem(codeInvalid, sentence(drift.Error())).with("drift", int64(drift.Drift/time.Second))
	}
	for _, x := range bookKinds {
		if errors.Is(err, x.err) {
			return newProblem(x.kind, sentence(x.err.Error()))
		}
	}
	return nil
}

// bookKinds are tried in their order: an unknown user is not enrolled, too.
var bookKinds = []struct {
	err  error
	kind *kind
}{
	{totp.ErrUnknownUser, unknownUser},
	{totp.ErrNotEnrolled, notEnrolled},
	{totp.ErrPassRequired, passNeeded},
	{totp.ErrInvalidPass, passInvalid},
	{totp.ErrProofRequired, proofNeeded},
	{totp.ErrInvalidCode, codeInvalid},
	{totp.ErrFrozen, frozenKind},
	{totp.ErrExpired, expired},
	{totp.ErrConflict, conflict},
	{totp.ErrRequired, required},
	{totp.ErrTooManyDevices, tooMany},
	{totp.ErrLastDevice, lastDevice},
	{totp.ErrDeviceName, deviceName},
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// internal gives an error a reference. The log has the route, never the path.
func (s *server) internal(r *http.Request, err error) *problem {
	b := make([]byte, 4)
	rand.Read(b)
	ref := strings.ToUpper(hex.EncodeToString(b))
	s.Log.Error("API request failed", "reference", ref, "method", r.Method, "route", r.Pattern, "error", err)
	return newProblem(internalKind, "Internal error, reference "+ref+".").with("reference", ref)
}

// answer is the problem as it is sent.
func (p *problem) answer() answer {
	members := map[string]any{"type": Prefix + "/problems#" + p.name, "title": p.title, "status": p.status, "detail": p.detail}
	for k, v := range p.more {
		members[k] = v
	}
	h := map[string]string{"Content-Type": "application/problem+json"}
	if wait, ok := p.more["retry_after"].(int64); ok {
		h["Retry-After"] = strconv.FormatInt(wait, 10)
	}
	if p.status == http.StatusUnauthorized {
		h["WWW-Authenticate"] = `Bearer realm="resetdesk"`
	}
	raw, err := json.Marshal(members)
	if err != nil {
		panic(err) // texts, numbers and times always marshal
	}
	return answer{status: p.status, header: h, raw: raw}
}

func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := s.explain(r, err)
	if p.kind == tooLarge {
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	p.answer().write(w, r) // it is encoded already
}

// problemsPage explains every problem, for people.
func (s *server) problemsPage(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	b.WriteString("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>Problems of the API</title>\n" +
		"<h1>Problems of the API</h1>\n<p>Every answer of 400 and above is application/problem+json (RFC 9457); its type leads here.</p>\n<dl>\n")
	for _, k := range kinds {
		fmt.Fprintf(&b, "<dt id=%q><b>%s</b> <code>%d %s</code></dt><dd>%s</dd>\n", k.name, html.EscapeString(k.title), k.status, k.name, html.EscapeString(k.advice))
	}
	b.WriteString("</dl>\n</html>\n")
	answer{status: http.StatusOK, raw: []byte(b.String()), header: map[string]string{"Content-Type": "text/html; charset=utf-8"}}.write(w, r)
}
